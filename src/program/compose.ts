/** The whole program: the phases in the order of their numbers. */
import { CLONE } from "#ffi/abi/clone.ts";
import type { Facts } from "#spec/facts.ts";
import type { Phase, PlanInput } from "./phase.ts";
import { tether } from "./phases/00-tether.ts";
import { parent } from "./phases/05-parent.ts";
import { root } from "./phases/10-root.ts";
import { dev } from "./phases/20-dev.ts";
import { proc } from "./phases/30-proc.ts";
import { privateDirectories } from "./phases/50-private.ts";
import { mounts } from "./phases/60-mounts.ts";
import { clock } from "./phases/65-clock.ts";
import { detach } from "./phases/70-detach.ts";
import { fork } from "./phases/80-fork.ts";
import { guard } from "./phases/81-guard.ts";
import { arrive } from "./phases/82-arrive.ts";
import { sys } from "./phases/83-sys.ts";
import { loopback } from "./phases/84-loopback.ts";
import { hostname } from "./phases/85-hostname.ts";
import { cleanStart } from "./phases/86-clean-start.ts";
import { landlock } from "./phases/88-landlock.ts";
import { privileges } from "./phases/90-privileges.ts";
import { workdir } from "./phases/92-workdir.ts";
import { filter } from "./phases/95-filter.ts";
import { exec } from "./phases/99-exec.ts";
import { type ShapePhase, shapeKey, shapeOf } from "./shape.ts";
import type { Program, Step } from "./step.ts";
import { verify } from "./verify.ts";

/** The tether's part that depends on the host and a job's shape alone, so one daemon makes these steps once. */
const SANDBOX: readonly ShapePhase[] = [tether, parent, root, dev, proc, privateDirectories];

/** What one job adds: its mounts; then the fork, behind which the tether guards and the workload goes on. */
const JOB: readonly Phase[] = [
  mounts,
  clock,
  detach,
  fork,
  guard,
  arrive,
  sys,
  loopback,
  hostname,
  cleanStart,
  landlock,
  privileges,
  workdir,
  filter,
  exec,
];

const sandboxes = new WeakMap<Facts, Map<string, readonly Step[]>>();

/** Plans a sandbox: pure, so that the same input is the same program wherever it is planned. */
export function plan(input: PlanInput): Program {
  const shared = sandboxOf(input);
  const job = JOB.flatMap((phase) => phase(input));
  // An ordinary user may make the tether's namespaces only in a user namespace of its own (user_namespaces(7)).
  const namespaces = CLONE.NEWPID | CLONE.NEWNS | (input.facts.privileged ? 0 : CLONE.NEWUSER);
  return verify({ namespaces, steps: [...shared, ...job], shared, keeper: input.keeper });
}

function sandboxOf(input: PlanInput): readonly Step[] {
  const shape = shapeOf(input);
  let known = sandboxes.get(input.facts);
  if (!known) sandboxes.set(input.facts, (known = new Map<string, readonly Step[]>()));
  const key = shapeKey(shape);
  let steps = known.get(key);
  if (!steps) known.set(key, (steps = SANDBOX.flatMap((phase) => phase(shape))));
  return steps;
}
