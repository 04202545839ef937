/** Sandboxes as the kernel shows them from outside: who is in them, who waits where, what is left. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { CLD, P, SIGINFO, W } from "#ffi/abi/wait.ts";
import { call, must, scratch } from "#ffi/call.ts";
import { descriptors } from "#test/support/leaks.ts";
import { HANGS } from "./faults.ts";

const memory = scratch(2 ** 16);

/** prctl(2); tele itself never is one. */
const PR_SET_CHILD_SUBREAPER = 36;

/** Whoever of our descendants loses its parent is ours from now on, so that its end is told to us and nobody else. */
export function adopt(): void {
  must("prctl", PR_SET_CHILD_SUBREAPER, 1);
}

/** Name of a process's pid namespace. */
export function namespaceOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/pid`);
}

/** Pids of every process in a pid namespace, zombies included. */
export function inside(namespace: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/ns/pid`) === namespace ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Whether a tether or its child has come to the call that never comes back. */
export function hangs(tether: number): boolean {
  return [tether, ...childrenOf(tether)].some((pid) => HANGS.test(textOf(`/proc/${pid}/syscall`)));
}

/** Whether a process has ended and waits to be reaped, or has been. */
export function isZombie(pid: number): boolean {
  return /^(?:State:\s+Z|$)/m.test(textOf(`/proc/${pid}/status`).match(/^State:.*$/m)?.[0] ?? "");
}

function childrenOf(pid: number): number[] {
  return (textOf(`/proc/${pid}/task/${pid}/children`).match(/\d+/g) ?? []).map(Number);
}

/** Empty where there is no such file, or no longer. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Status of a child behind a pidfd as a shell would give it, undefined while it runs. It is reaped, unless it is only looked at. */
export function ended(pidfd: number, look: "reap" | "look" = "reap"): number | undefined {
  memory.reset();
  const info = memory.room(SIGINFO.size);
  must("waitid", P.PIDFD, pidfd, info.address, W.EXITED | W.NOHANG | (look === "look" ? W.NOWAIT : 0));
  const view = new DataView(info.bytes.buffer, info.bytes.byteOffset);
  if (view.getInt32(SIGINFO.pid, true) === 0) return undefined;
  const status = view.getInt32(SIGINFO.status, true);
  return view.getInt32(SIGINFO.code, true) === CLD.EXITED ? status : 128 + status;
}

/** Everything that can be read now from a non-blocking descriptor. */
export function drain(fd: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    memory.reset();
    const room = memory.room(2 ** 15);
    const answer = call("read", fd, room.address, room.bytes.length);
    if (answer <= 0) return Buffer.concat(parts);
    parts.push(room.bytes.slice(0, answer));
  }
}

/** What a sandbox could leave behind outside of itself. */
export interface Surroundings {
  readonly mounts: string;
  readonly descriptors: ReadonlyMap<string, number>;
}

/** Mounts of our namespace, and our descriptors. */
export function surroundings(): Surroundings {
  return { mounts: readFileSync("/proc/self/mountinfo", "utf8"), descriptors: descriptors() };
}

/** What is there that was not before, and tethers of whatever namespace that still run. */
export function leftBehind(before: Surroundings): string[] {
  const now = surroundings();
  const known = new Set(before.mounts.split("\n"));
  return [
    ...now.mounts.split("\n").flatMap((line) => (known.has(line) ? [] : [`mount ${line}`])),
    ...[...now.descriptors].flatMap(([target, count]) =>
      count > (before.descriptors.get(target) ?? 0) ? [`descriptor ${target}`] : [],
    ),
    ...readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) && isTether(name) ? [`tether ${name}`] : [])),
  ];
}

function isTether(pid: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`).startsWith("/memfd:tele-tether");
  } catch {
    return false;
  }
}
