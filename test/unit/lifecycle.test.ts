// What an end means: every cause alone, and which one wins where two meet.
import { expect, test } from "bun:test";
import type { ExitRecord } from "#program/report.ts";
import { conclude, type Ending, startExitCode } from "#runtime/lifecycle.ts";

const usage = { wallUs: 5, outputBytes: 3 };
const nothing: Ending = { exit: undefined, tether: undefined, oomKilled: false, usage };
const times = { startNs: 1n, endNs: 2n, userUs: 0, systemUs: 0, maxRssBytes: 0, coreDumped: false };
const exited = (exitCode: number): ExitRecord => ({ ...times, exitCode });
const signaled = (signal: number, coreDumped = false): ExitRecord => ({ ...times, signal, coreDumped });
const ended = (change: Partial<Ending>) => conclude({ ...nothing, ...change });

test("an exit is COMPLETED with 0 and FAILED with anything else", () => {
  expect(ended({ exit: exited(0) })).toEqual({ state: "COMPLETED", end: { reason: "EXITED", exitCode: 0, usage } });
  expect(ended({ exit: exited(255) })).toEqual({ state: "FAILED", end: { reason: "EXITED", exitCode: 255, usage } });
});

test("a signal is SIGNALED by its name, with the core where there is one", () => {
  expect(ended({ exit: signaled(11, true) }).end).toEqual({
    reason: "SIGNALED",
    signal: "SIGSEGV",
    coreDumped: true,
    usage,
  });
  expect(ended({ exit: signaled(15) }).end).toEqual({ reason: "SIGNALED", signal: "SIGTERM", usage });
});

test("KILL and 137 are OOM_KILLED where the kernel killed for want of memory, and nothing else is", () => {
  for (const exit of [signaled(9), exited(137)]) {
    const { state, end } = ended({ exit, oomKilled: true });
    expect([state, end.reason]).toEqual(["FAILED", "OOM_KILLED"]);
    expect(ended({ exit }).end.reason).not.toBe("OOM_KILLED");
  }
  // One child of many was killed and the job lived with it.
  for (const exit of [exited(0), exited(1), signaled(15)])
    expect(ended({ exit, oomKilled: true }).end.reason).not.toBe("OOM_KILLED");
});

test("a stop wins over how the process took it, and says who asked", () => {
  const stop = { reason: "STOPPED", by: "alice" } as const;
  expect(ended({ exit: exited(0), stop })).toEqual({
    state: "STOPPED",
    end: { reason: "STOPPED", exitCode: 0, stoppedBy: "alice", usage },
  });
  expect(ended({ exit: signaled(9), stop, oomKilled: true }).end).toEqual({
    reason: "STOPPED",
    signal: "SIGKILL",
    stoppedBy: "alice",
    usage,
  });
});

test("what tele stopped for a limit is FAILED, with what happened", () => {
  const timedOut = ended({ exit: signaled(15), stop: { reason: "TIMED_OUT", by: "tele" } });
  expect([timedOut.state, timedOut.end.reason, timedOut.end.stoppedBy]).toEqual(["FAILED", "TIMED_OUT", "tele"]);
  const stop = { reason: "OUTPUT_LIMIT", by: "tele", message: "its output could not be written: ENOSPC" } as const;
  expect(ended({ exit: signaled(15), stop }).end).toMatchObject({ reason: "OUTPUT_LIMIT", message: stop.message });
});

test("without a record nothing is invented: LOST, unless its parent saw PID 1 killed", () => {
  const lost = ended({ lost: "the host was restarted" });
  expect(lost).toEqual({ state: "FAILED", end: { reason: "LOST", message: "the host was restarted", usage } });
  expect(ended({}).end.message).toBe("its tether left without an exit record");
  expect(ended({ tether: { exitCode: 125 } }).end.reason).toBe("LOST");
  const killed = ended({ tether: { signal: 9 } });
  expect(killed).toMatchObject({ state: "FAILED", end: { reason: "SIGNALED", signal: "SIGKILL" } });
  expect(killed.end.message).toBe("PID 1 of the sandbox was killed by SIGKILL, and with it every process of the job");
  expect(ended({ tether: { signal: 9 }, oomKilled: true }).end.reason).toBe("OOM_KILLED");
  expect(killed.end.exitCode).toBeUndefined();
});

test("a stop without a record says who asked; whether it worked it says only where PID 1 was seen to die", () => {
  const stop = { reason: "STOPPED", by: "alice" } as const;
  expect(ended({ tether: { signal: 9 }, stop })).toEqual({
    state: "STOPPED",
    end: { reason: "STOPPED", signal: "SIGKILL", stoppedBy: "alice", usage },
  });
  expect(ended({ stop, lost: "gone" })).toEqual({
    state: "FAILED",
    end: { reason: "LOST", stoppedBy: "alice", message: "gone", usage },
  });
});

test("a failed start names its step, before anything else that may be known", () => {
  const startFailure = { step: "pivot.swap", errno: "EINVAL", detail: 'pivot.swap: pivot_root(".", "."): EINVAL' };
  expect(ended({ startFailure, exit: exited(125), oomKilled: true })).toEqual({
    state: "FAILED",
    end: {
      reason: "START_FAILED",
      exitCode: 125,
      step: "pivot.swap",
      errno: "EINVAL",
      message: startFailure.detail,
      usage,
    },
  });
});

test("the shell's numbers: 127 not found, 126 not executable, 125 when it was not the command's fault", () => {
  for (const step of ["workload.exec", "workload.exec-3", "workload.retry-1"]) {
    expect([step, startExitCode(step, "ENOENT"), startExitCode(step, "ENOTDIR")]).toEqual([step, 127, 127]);
    for (const errno of ["EACCES", "ENOEXEC", "E2BIG", "ELOOP"])
      expect([errno, startExitCode(step, errno)]).toEqual([errno, 126]);
  }
  for (const step of ["workdir.enter", "workload.fork", "pivot.swap"]) expect(startExitCode(step, "ENOENT")).toBe(125);
});
