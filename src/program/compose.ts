/** The whole program: the phases in the order of their numbers. */
import { CLONE } from "#ffi/abi/clone.ts";
import type { Facts } from "#spec/facts.ts";
import type { Phase, PlanInput } from "./phase.ts";
import { tether } from "./phases/00-tether.ts";
import { root } from "./phases/10-root.ts";
import { dev } from "./phases/20-dev.ts";
import { proc } from "./phases/30-proc.ts";
import { sys } from "./phases/40-sys.ts";
import { privateDirectories } from "./phases/50-private.ts";
import { loopback } from "./phases/60-loopback.ts";
import { detach } from "./phases/70-detach.ts";
import { fork } from "./phases/80-fork.ts";
import { hostname } from "./phases/82-hostname.ts";
import { cleanStart } from "./phases/85-clean-start.ts";
import { privileges } from "./phases/90-privileges.ts";
import { exec } from "./phases/99-exec.ts";
import type { Program, Step } from "./step.ts";
import { verify } from "./verify.ts";

/** The tether's part. It depends on the host alone, so one daemon makes these steps once. */
const SANDBOX: readonly ((facts: Facts) => readonly Step[])[] = [
  tether,
  root,
  dev,
  proc,
  sys,
  privateDirectories,
  loopback,
  detach,
];

/** The workload's part, in its own process. */
const WORKLOAD: readonly Phase[] = [fork, hostname, cleanStart, privileges, exec];

/** The cgroup namespace is the workload's own affair (`cgroup.unshare`): its root is where the process is by then. */
const NAMESPACES = CLONE.NEWPID | CLONE.NEWNS | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWNET;

const sandboxes = new WeakMap<Facts, readonly Step[]>();

/** Plans a sandbox: pure, so that the same input is the same program wherever it is planned. */
export function plan(input: PlanInput): Program {
  const { facts } = input;
  let sandbox = sandboxes.get(facts);
  if (!sandbox) {
    sandbox = SANDBOX.flatMap((phase) => phase(facts));
    sandboxes.set(facts, sandbox);
  }
  const workload = WORKLOAD.flatMap((phase) => phase(input));
  return verify({ namespaces: NAMESPACES, steps: [...sandbox, ...workload], shared: sandbox });
}
