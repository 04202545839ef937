/** What an end means: from what is known of it to state, reason and record. Pure. */
import { signalName } from "#ffi/abi/signal.ts";
import type { ExitRecord } from "#program/report.ts";
import type { EndRecord, State, Usage } from "#spec/job.ts";
import type { TetherEnd } from "./tether.ts";

/** Why tele itself began to stop a job. */
export type StopReason = "STOPPED" | "TIMED_OUT" | "OUTPUT_LIMIT";

/** Everything known about an end. */
export interface Ending {
  /** The tether's own record; undefined when it left none. */
  readonly exit: ExitRecord | undefined;
  /** How the tether ended, where it is our child and left no record. */
  readonly tether: TetherEnd | undefined;
  /** Set when a step failed before the workload ran. */
  readonly startFailure?: { readonly step: string; readonly errno: string; readonly detail: string };
  readonly stop?: { readonly reason: StopReason; readonly by: string; readonly message?: string };
  /** The kernel's OOM killer took a process of the job's cgroup. */
  readonly oomKilled: boolean;
  readonly usage: Usage;
  /** Why nothing is known, for `LOST`. */
  readonly lost?: string;
}

const SIGKILL = 9;

/** The end record and the state it means. */
export function conclude(ending: Ending): { state: Exclude<State, "RUNNING">; end: EndRecord } {
  const { exit, usage, stop, startFailure } = ending;
  if (startFailure) {
    const { step, errno, detail } = startFailure;
    return {
      state: "FAILED",
      end: { reason: "START_FAILED", exitCode: startExitCode(step, errno), step, errno, message: detail, usage },
    };
  }
  const status = exit && statusOf(exit);
  const stopped = stop && {
    ...(stop.reason === "STOPPED" || stop.by !== "tele" ? { stoppedBy: stop.by } : { stoppedBy: "tele" }),
    ...(stop.message !== undefined && { message: stop.message }),
  };
  if (!exit) return withoutRecord(ending, stopped ?? {});
  if (stop)
    return {
      state: stop.reason === "STOPPED" ? "STOPPED" : "FAILED",
      end: { reason: stop.reason, ...status, ...stopped, usage },
    };
  // A shell whose child was OOM-killed passes 137 on; both mean that memory was the cause.
  if (ending.oomKilled && (exit.signal === SIGKILL || exit.exitCode === 128 + SIGKILL)) {
    return { state: "FAILED", end: { reason: "OOM_KILLED", ...status, usage } };
  }
  if (exit.signal !== undefined) return { state: "FAILED", end: { reason: "SIGNALED", ...status, usage } };
  return { state: exit.exitCode === 0 ? "COMPLETED" : "FAILED", end: { reason: "EXITED", ...status, usage } };
}

/** The shell's numbers: 127 not found, 126 not executable; 125 when it was not the command's fault. */
export function startExitCode(step: string, errno: string): number {
  if (!step.startsWith("workload.exec") && !step.startsWith("workload.retry")) return 125;
  if (errno === "ENOENT" || errno === "ENOTDIR") return 127;
  return 126;
}

function statusOf(exit: ExitRecord): Pick<EndRecord, "exitCode" | "signal" | "coreDumped"> {
  return {
    ...(exit.exitCode !== undefined && { exitCode: exit.exitCode }),
    ...(exit.signal !== undefined && { signal: signalName(exit.signal) }),
    ...(exit.coreDumped && { coreDumped: true }),
  };
}

/** The tether went without a record: when it was killed, the kernel killed its whole pid namespace (pid_namespaces(7)). */
function withoutRecord(ending: Ending, stopped: Partial<EndRecord>): ReturnType<typeof conclude> {
  const { tether, usage, stop } = ending;
  if (tether?.signal === undefined) {
    return {
      state: "FAILED",
      end: { reason: "LOST", ...stopped, message: ending.lost ?? "its tether left without an exit record", usage },
    };
  }
  const signal = signalName(SIGKILL);
  if (stop)
    return {
      state: stop.reason === "STOPPED" ? "STOPPED" : "FAILED",
      end: { reason: stop.reason, signal, ...stopped, usage },
    };
  const message = `PID 1 of the sandbox was killed by ${signalName(tether.signal)}, and with it every process of the job`;
  return { state: "FAILED", end: { reason: ending.oomKilled ? "OOM_KILLED" : "SIGNALED", signal, message, usage } };
}
