/** A running tether as the daemon holds it: by pidfd, never by pid alone. */
import { readFileSync } from "node:fs";
import { ERRNO } from "#ffi/abi/errno.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { CLD, P, SIGINFO, W } from "#ffi/abi/wait.ts";
import { call, type Scratch, scratch } from "#ffi/call.ts";
import { RELEASE_SIGNAL } from "#program/assemble.ts";
import { TETHER_FD } from "#program/descriptors.ts";
import type { TetherRecord } from "./store/record.ts";

/** How the tether itself ended, which is the workload's end only where it left no record. */
export interface TetherEnd {
  readonly exitCode?: number;
  readonly signal?: number;
}

export interface Tether {
  readonly record: TetherRecord;
  /** A signal to the workload's main process; false when that is gone. */
  signalMain(signal: number): boolean;
  /** Pid of the main process as this host numbers it; undefined when that is gone. */
  mainPid(): number | undefined;
  /** Read ends of the report, stdout and stderr, taken from a tether that another daemon started; -1 where one is gone. */
  takeDescriptors(): { report: number; stdout: number; stderr: number };
  /** Kills PID 1 of the sandbox and so, in the kernel, everything in it. */
  kill(): void;
  /** Lets it leave, now that its record and its output are safe. */
  release(): void;
  /** Asks once: how it ended, "running", or "unknown" where it is gone and was not our child. */
  reap(): TetherEnd | "running" | "unknown";
  close(): void;
}

const bootId = readOnce("/proc/sys/kernel/random/boot_id");

let memory: Scratch | undefined;

/** Wraps a pidfd; the tether's pid must still be held by it (our own child, or checked by `findTether`). */
export function tether(pid: number, pidfd: number, startTicks = startTicksOf(pid) ?? 0): Tether {
  let main = -1;
  // The number is another descriptor's once it is closed: from then on every question finds nobody.
  let closed = false;
  const mainFd = (): number => {
    if (main < 0 && !closed) main = call("pidfd_getfd", pidfd, TETHER_FD.main, 0);
    return main;
  };
  const send = (fd: number, signal: number): boolean =>
    fd >= 0 && !closed && call("pidfd_send_signal", fd, signal, 0, 0) === 0;
  return {
    record: { pid, startTicks, bootId: bootId() },
    signalMain: (signal) => send(mainFd(), signal),
    mainPid() {
      const fd = mainFd();
      if (fd < 0) return undefined;
      const found = /^Pid:\s+(-?\d+)/m.exec(readText(`/proc/self/fdinfo/${fd}`) ?? "");
      const pid = Number(found?.[1] ?? -1);
      return pid > 0 ? pid : undefined;
    },
    takeDescriptors() {
      const take = (number: number): number => Math.max(call("pidfd_getfd", pidfd, number, 0), -1);
      return {
        report: take(TETHER_FD.reportRead),
        stdout: take(TETHER_FD.stdoutRead),
        stderr: take(TETHER_FD.stderrRead),
      };
    },
    kill: () => void send(pidfd, SIG.KILL),
    release() {
      // EAGAIN where a hostile job filled the signal queue: everything is saved, so it may as well be killed.
      if (!send(pidfd, RELEASE_SIGNAL)) send(pidfd, SIG.KILL);
    },
    reap() {
      if (closed) return "unknown";
      memory ??= scratch(4096);
      memory.reset();
      const info = memory.room(SIGINFO.size);
      const answer = call("waitid", P.PIDFD, pidfd, info.address, W.EXITED | W.NOHANG);
      if (answer === -ERRNO.ECHILD) return startTicksOf(pid) === startTicks ? "running" : "unknown";
      const view = new DataView(info.bytes.buffer, info.bytes.byteOffset);
      if (answer < 0 || view.getInt32(SIGINFO.pid, true) === 0) return "running";
      const status = view.getInt32(SIGINFO.status, true);
      return view.getInt32(SIGINFO.code, true) === CLD.EXITED ? { exitCode: status } : { signal: status };
    },
    close() {
      if (closed) return;
      closed = true;
      call("close", pidfd);
      if (main >= 0) call("close", main);
      main = -1;
    },
  };
}

/** The tether of an earlier daemon, if it is still that process: same boot, same pid, same start, and not a zombie. */
export function findTether(record: TetherRecord): Tether | undefined {
  if (record.bootId !== bootId()) return undefined;
  const pidfd = call("pidfd_open", record.pid, 0);
  if (pidfd < 0) return undefined;
  // Compared after opening: from here on the pidfd holds the process that the numbers tell of (pidfd_open(2)).
  if (startTicksOf(record.pid) === record.startTicks) return tether(record.pid, pidfd, record.startTicks);
  call("close", pidfd);
  return undefined;
}

/** Field 22 of /proc/pid/stat; undefined when the process is gone or a zombie (proc_pid_stat(5)). */
export function startTicksOf(pid: number): number | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name may hold anything, parentheses and blanks included: fields count from behind the last one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : Number(fields[19]);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function readOnce(path: string): () => string {
  let text: string | undefined;
  return () => {
    text ??= (readText(path) ?? "").trim();
    return text;
  };
}
