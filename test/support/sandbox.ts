/** A sandbox without a daemon: a spec planned, assembled and launched, and everything that can be seen of it. */
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CLONE } from "#ffi/abi/clone.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { CLD, P, SIGINFO, W } from "#ffi/abi/wait.ts";
import { call, must, scratch } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { heldCapabilities, ignoredSignals } from "#host/facts.ts";
import { fileSources } from "#host/mount-sources.ts";
import { assemble, RELEASE_SIGNAL } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import { TETHER_FD } from "#program/descriptors.ts";
import type { PlanInput } from "#program/phase.ts";
import {
  type Blame,
  blame,
  decodeMessage,
  decodeRecord,
  type ExitRecord,
  MESSAGE,
  type Message,
} from "#program/report.ts";
import type { Program } from "#program/step.ts";
import { type Launched, launch, type LaunchRequest } from "#runtime/launch.ts";
import { mapsOf } from "#spec/facts.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { policyOf } from "#spec/policy.ts";
import { type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";
import { need } from "./needs.ts";

export interface SandboxOptions {
  readonly identity?: Partial<PlanInput["identity"]>;
  readonly facts?: Partial<PlanInput["facts"]>;
  /** Changes the planned program before it is assembled. */
  readonly change?: (program: Program) => Program;
  /** Changes what is asked of `launch`. */
  readonly request?: (request: LaunchRequest) => LaunchRequest;
}

/** One that is under way. */
export interface Sandbox {
  readonly program: Program;
  readonly launched: Launched;
  /** What the tether has said until now. */
  messages(): readonly Message[];
  /** What the workload has written until now. */
  output(): { readonly out: string; readonly err: string };
  /** Resolves when the tether has said this. */
  said(kind: Message["kind"]): Promise<void>;
  /** Resolves when the workload has written this to its standard output. */
  wrote(text: string): Promise<void>;
  record(): ExitRecord | undefined;
  /** The step to blame, once one has failed. */
  blame(): Blame | undefined;
  /** Sends to the workload's main process; the kernel's answer. */
  signalMain(signal: number): number;
  /** Sends to the tether; the kernel's answer. */
  signalTether(signal: number): number;
  /** Pids, as this host numbers them, of everything in the sandbox's pid namespace, the tether included. */
  inside(): number[];
  /** Whether the tether is still there; it is not reaped. */
  alive(): boolean;
  /** Resolves with the tether's own status (128 and the signal's number where one killed it). */
  left(): Promise<number>;
  /** Kills what is left and gives everything back. */
  close(): Promise<void>;
}

/** How a sandbox lived from start to end. */
export interface Lived {
  readonly messages: readonly Message[];
  readonly out: string;
  readonly err: string;
  readonly record: ExitRecord | undefined;
  readonly blame: Blame | undefined;
  /** Status of the tether. */
  readonly status: number;
}

const OWN = CLONE.NEWPID | CLONE.NEWNS;
const PATIENCE_MS = 20_000;
const memory = scratch(2 ** 20);

/** Polls until the condition holds. Throws after a time that only a broken machine needs. */
export async function until(condition: () => boolean, what: () => string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`after ${PATIENCE_MS} ms still not: ${what()}`);
    await pause(2);
  }
}

/** Everything that can be read now from a non-blocking descriptor. */
function drain(fd: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    memory.reset();
    const room = memory.room(2 ** 19);
    const answer = call("read", fd, room.address, room.bytes.length);
    if (answer <= 0) return Buffer.concat(parts);
    parts.push(room.bytes.slice(0, answer));
  }
}

/** What planning is given on this machine, without a cgroup. */
export function sandboxInput(spec: JobSpecInput, { identity, facts }: SandboxOptions = {}): PlanInput {
  const parsed = JobSpecSchema.parse(spec);
  return {
    spec: parsed,
    policy: policyOf(parsed),
    limits: effectiveLimits(parsed.limits),
    identity: { uid: 0, gid: 0, groups: [], home: "/root", ...identity },
    facts: {
      ignoredSignals: ignoredSignals(readFileSync("/proc/self/status", "utf8")),
      lastCapability: Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8")),
      nofileHard: 4096,
      hide: [],
      cgroup: { v2: false, v1: 0 },
      privileged: true,
      held: heldCapabilities(readFileSync("/proc/self/status", "utf8")),
      landlock: 0,
      ...facts,
    },
    ids: mapsOf({ start: 2 ** 31, count: 65_536 }),
    keeper: "daemon",
    files: fileSources(parsed.mounts),
  };
}

/** Starts a sandbox. Throws what `plan` or `launch` throw, MissingNeed without root. */
export function openSandbox(spec: JobSpecInput, options: SandboxOptions = {}): Sandbox {
  need("root");
  const planned = plan(sandboxInput(spec, options));
  const program = options.change?.(planned) ?? planned;
  const folder = mkdtempSync(join(tmpdir(), "tele-sandbox-"));
  const file = join(folder, "record");
  const open = [openSync("/dev/null", "r"), openSync(file, "w")] as const;
  let launched: Launched;
  try {
    const request: LaunchRequest = {
      tether: assemble(program, hostArchitecture()),
      namespaces: program.namespaces,
      stdin: open[0],
      record: open[1],
      cgroup: [],
    };
    const asked = options.request?.(request) ?? request;
    // Whatever a test changes: a tether mounts and kills, and must never do so outside of namespaces of its own.
    if ((asked.namespaces & OWN) !== OWN) throw new Error("a test asked for a tether in the host's namespaces");
    launched = launch(asked);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  } finally {
    for (const fd of open) closeSync(fd);
  }
  const { pid, pidfd } = launched;
  // A namespace is known by its inode; the tether holds it while it is there, a zombie included.
  const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
  const told: Message[] = [];
  let [out, err] = ["", ""];
  let status: number | undefined;
  const sandbox: Sandbox = {
    program,
    launched,
    messages() {
      const bytes = drain(launched.report);
      for (let at = 0; at < bytes.length; at += MESSAGE.size) {
        const message = decodeMessage(bytes.subarray(at));
        if (!message) throw new Error(`no message of a tether: ${Buffer.from(bytes.subarray(at)).toString("hex")}`);
        told.push(message);
      }
      return told;
    },
    output() {
      out += Buffer.from(drain(launched.stdout)).toString();
      err += Buffer.from(drain(launched.stderr)).toString();
      return { out, err };
    },
    said: (kind) =>
      until(
        () => sandbox.output() && sandbox.messages().some((message) => message.kind === kind),
        () => `${kind}; said: ${JSON.stringify(told)}; written: ${out}${err}`,
      ),
    wrote: (text) =>
      until(
        () => sandbox.output().out.includes(text),
        () => `${text} in the output: ${out}${err}`,
      ),
    record: () => decodeRecord(readFileSync(file)),
    blame() {
      const failure = sandbox.messages().find((message) => message.kind === "failed");
      return failure && blame(program.steps, failure);
    },
    signalMain(signal) {
      const main = must("pidfd_getfd", pidfd, TETHER_FD.main, 0);
      const answer = call("pidfd_send_signal", main, signal, 0, 0);
      call("close", main);
      return answer;
    },
    signalTether: (signal) => call("pidfd_send_signal", pidfd, signal, 0, 0),
    inside: () => pidsIn(namespace),
    alive: () => status === undefined && waitid(pidfd, W.EXITED | W.NOHANG | W.NOWAIT) === undefined,
    async left() {
      await until(
        () => (status ??= waitid(pidfd, W.EXITED | W.NOHANG)) !== undefined,
        () => `the tether gone; said: ${JSON.stringify(sandbox.messages())}; inside: ${sandbox.inside().join(" ")}`,
      );
      return status ?? -1;
    },
    async close() {
      if (status === undefined) {
        sandbox.signalTether(SIG.KILL);
        await sandbox.left();
      }
      for (const fd of [launched.report, launched.stdout, launched.stderr, pidfd]) call("close", fd);
      rmSync(folder, { recursive: true });
    },
  };
  return sandbox;
}

/** Runs a spec to its end: released as soon as it has ended. */
export async function runSandbox(spec: JobSpecInput, options: SandboxOptions = {}): Promise<Lived> {
  const sandbox = openSandbox(spec, options);
  try {
    await until(
      () => {
        sandbox.output();
        return sandbox.messages().some(({ kind }) => kind === "ended") || !sandbox.alive();
      },
      () => `an end; said: ${JSON.stringify(sandbox.messages())}`,
    );
    sandbox.signalTether(RELEASE_SIGNAL);
    const status = await sandbox.left();
    return {
      messages: sandbox.messages(),
      ...sandbox.output(),
      record: sandbox.record(),
      blame: sandbox.blame(),
      status,
    };
  } finally {
    await sandbox.close();
  }
}

/** Status of a child behind a pidfd as a shell would give it; undefined while it runs. */
function waitid(pidfd: number, options: number): number | undefined {
  memory.reset();
  const info = memory.room(SIGINFO.size);
  must("waitid", P.PIDFD, pidfd, info.address, options);
  const view = new DataView(info.bytes.buffer, info.bytes.byteOffset);
  if (view.getInt32(SIGINFO.pid, true) === 0) return undefined;
  const status = view.getInt32(SIGINFO.status, true);
  return view.getInt32(SIGINFO.code, true) === CLD.EXITED ? status : 128 + status;
}

/** Pids of every process in a pid namespace, zombies included where the kernel still tells their namespace. */
function pidsIn(namespace: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readlinkSync(`/proc/${name}/ns/pid`) === namespace ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** What this process could leave open or behind: its descriptors, its children, and mounts where a tether makes them. */
export function holdings(): { readonly descriptors: number; readonly children: string; readonly mounts: string } {
  const self = process.pid;
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    children: readdirSync(`/proc/${self}/task`)
      .map((task) => readFileSync(`/proc/${self}/task/${task}/children`, "utf8").trim())
      .filter((list) => list !== "")
      .join(" "),
    mounts: readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .filter(
        (line) => /^\S+ \/(dev|proc|sys|tmp|run)?(\/\S*)? /.test(line) && !/ \/(tmp|run|sys\/fs)\/\S+ /.test(line),
      )
      .join("\n"),
  };
}
