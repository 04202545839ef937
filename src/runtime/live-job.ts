/** One open job in the daemon: its tether, its cgroup, its output and the timers that may end it. */
import type { JobCgroup } from "#host/cgroup/job.ts";
import { SIG, signalNumber } from "#ffi/abi/signal.ts";
import type { EndRecord, Job, Usage } from "#spec/job.ts";
import { finalUsage, messageOf, readExit, type StopNote } from "./ending.ts";
import { conclude, type Ending, type StopReason } from "./lifecycle.ts";
import type { GrowingOutput } from "./output.ts";
import type { PumpEvent } from "./pump/protocol.ts";
import type { JobPaths } from "./state-directory.ts";
import { type JobPatch, type JobRecord, type Live, toJob } from "./store/record.ts";
import type { Tether, TetherEnd } from "./tether.ts";

/** Milliseconds between the first signal of a stop and KILL, where nobody asks for another. */
export const DEFAULT_GRACE_MS = 5_000;
/** How long KILL of the main process may take before PID 1 of the sandbox itself is killed. */
const LAST_RESORT_MS = 5_000;
/** How old a reading of the cgroup may be: many clients may ask for the status of one job. */
const USAGE_AGE_MS = 20;
/** How often a tether that was killed is asked whether it is gone, and everything in its namespace with it. */
const GONE_MS = 2;
/** Longest delay of a timer: setTimeout takes 32 bits of milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** What a live job asks of its supervisor. */
export interface Keeper {
  /** A change that must be kept; retried by the keeper while the disk is full. */
  readonly update: (id: string, patch: JobPatch) => void;
  readonly sizes: (slot: number) => { size: number; records: number };
  /** Lets the pump read what is left and end. */
  readonly finish: (slot: number) => void;
  /** The job began to stop. */
  readonly stopping: (job: LiveJob) => void;
  /** Everything about the end is known and nothing of it is kept yet. */
  readonly ended: (job: LiveJob, patch: JobPatch) => void;
}

export interface LiveJob {
  readonly id: string;
  readonly paths: JobPaths;
  readonly cgroup: JobCgroup | undefined;
  readonly tether: Tether;
  readonly output: GrowingOutput;
  record(): JobRecord;
  /** As the API shows it, with a reading of the kernel at most 20 ms old. */
  view(): Job;
  /** The same without asking the kernel. */
  glance(): Job;
  /** Told by the pump. */
  heard(event: PumpEvent): void;
  /** Begins to stop it; the first reason stays, the earlier KILL counts. Does nothing once its main process is gone. */
  stop(reason: StopReason, by: string, options?: { signal?: string; graceMs?: number; message?: string }): void;
  /** Waits for the end, or for the signal. */
  closed(signal: AbortSignal): Promise<void>;
  /** Called once its end is kept: wakes everybody. */
  settle(patch: JobPatch): void;
  /** It never began: whoever started it says how it ended. */
  abandon(): void;
  /** Starts the timers that its spec and its record ask for. */
  arm(): void;
  /** Forgets timers; the job itself goes on. */
  disarm(): void;
}

/** What a live job is made of. */
export interface LiveParts {
  readonly record: JobRecord;
  readonly paths: JobPaths;
  readonly cgroup: JobCgroup | undefined;
  readonly tether: Tether;
  readonly output: GrowingOutput;
  readonly slot: () => number;
  readonly keeper: Keeper;
  /** Whether it is only just being launched. */
  readonly fresh: boolean;
  /** Called when the tether says that the workload runs, or which step failed. */
  readonly born: (failure?: { step: number; errno: number }) => void;
}

/** Wraps what was started or found. */
export function liveJob(parts: LiveParts): LiveJob {
  const { paths, cgroup, tether, output, slot, keeper, fresh, born } = parts;
  let { record } = parts;
  let usage: Usage | undefined;
  let readAt = 0;
  let mainPid: number | undefined;
  /** Nothing more may be done to it: its end is known, or will never be. */
  let over = false;
  /** The workload runs, or ran. An earlier daemon's job does, unless its tether says otherwise. */
  let begun = !fresh;
  let stopSignal: number = SIG.TERM;
  let tetherEnd: TetherEnd | undefined;
  const timers = new Map<string, NodeJS.Timeout>();
  const waiting = new Set<() => void>();
  const note = (): StopNote | undefined => record.restart as StopNote | undefined;

  function timer(name: string, milliseconds: number, then: () => void): void {
    clearTimeout(timers.get(name));
    const delay = Math.max(0, Math.min(milliseconds, LONGEST_TIMER_MS));
    const rest = milliseconds - delay;
    timers.set(
      name,
      setTimeout(() => (rest > 0 ? timer(name, rest, then) : then()), delay),
    );
  }

  function disarm(): void {
    for (const pending of timers.values()) clearTimeout(pending);
    timers.clear();
  }

  function currentUsage(): Usage {
    const now = Date.now();
    if (!usage || now - readAt >= USAGE_AGE_MS) {
      const started = Number((record.startNs ?? record.createNs) / 1_000n);
      usage = { wallUs: Math.max(0, now * 1_000 - started), ...cgroup?.usage(), outputBytes: output.size() };
      readAt = now;
    }
    return usage;
  }

  function live(): Live {
    mainPid ??= tether.mainPid();
    return { usage: currentUsage(), ...(mainPid !== undefined && { pid: mainPid }) };
  }

  function kill(): void {
    // The main process alone: its tether then kills whatever is left in the namespace and still writes the record.
    tether.signalMain(SIG.KILL);
    timer("last resort", LAST_RESORT_MS, () => tether.kill());
  }

  function forsake(): void {
    over = true;
    disarm();
  }

  /** The kernel reaps a namespace before its PID 1 can be waited for: then nobody of the job is left (pid_namespaces(7)). */
  function awaitTether(): void {
    const how = tether.reap();
    if (how === "running") return timer("tether", GONE_MS, awaitTether);
    // Only its parent can know how a tether without a record ended.
    if (how !== "unknown") tetherEnd = how;
    keeper.finish(slot());
  }

  function end(denied?: EndRecord["deniedCalls"]): void {
    forsake();
    const { size, records } = keeper.sizes(slot());
    output.advance(size, records);
    const exit = readExit(paths.exit);
    const final = finalUsage(cgroup, exit, record, output.size());
    const ending: Ending = {
      exit,
      tether: exit ? undefined : tetherEnd,
      oomKilled: cgroup?.oomKilled() ?? false,
      usage: final,
      ...(record.stopReason !== undefined && {
        stop: {
          reason: record.stopReason as StopReason,
          by: record.stopRequestedBy ?? "tele",
          ...messageOf(record),
        },
      }),
    };
    const { state, end: concluded } = conclude(ending);
    keeper.ended(job, {
      state,
      reason: concluded.reason,
      end: { ...concluded, ...(denied && { deniedCalls: denied }) },
      endNs: exit?.endNs ?? BigInt(Date.now()) * 1_000_000n,
      ...(exit && { startNs: exit.startNs }),
    });
  }

  const job: LiveJob = {
    id: record.id,
    paths,
    cgroup,
    tether,
    output,
    record: () => record,
    view: () => toJob(record, record.state === "RUNNING" ? live() : undefined),
    glance() {
      if (record.state !== "RUNNING") return toJob(record);
      mainPid ??= tether.mainPid();
      return toJob(record, {
        usage: usage ?? { wallUs: 0, outputBytes: output.size() },
        ...(mainPid !== undefined && { pid: mainPid }),
      });
    },
    heard(event) {
      if (event.kind === "grown") {
        const { size, records } = keeper.sizes(event.slot);
        output.advance(size, records);
      } else if (event.kind === "started") {
        // After a failure the tether still says that its child is born; the failure was said first.
        if (over) return;
        begun = true;
        if (record.stopReason !== undefined) tether.signalMain(stopSignal);
        born();
      } else if (event.kind === "failed") {
        forsake();
        born(event);
      } else if (event.kind === "limit") {
        const why = event.pieces
          ? "it wrote in more pieces than its limit of output allows records for"
          : event.errno === undefined
            ? "it wrote more than its limit of output"
            : `its output could not be written: ${event.errno}`;
        job.stop("OUTPUT_LIMIT", "tele", { message: why });
      } else if (event.kind === "vanished") awaitTether();
      else if (event.kind === "ended" && !over) end(event.denied);
    },
    stop(reason, by, { signal = "SIGTERM", graceMs = DEFAULT_GRACE_MS, message } = {}) {
      if (over) return;
      // Too late to be the cause of its end. Of output that was dropped it is said all the same.
      if (begun && reason !== "OUTPUT_LIMIT" && tether.mainPid() === undefined) return;
      const first = record.stopReason === undefined;
      const number = signalNumber(signal) ?? SIG.TERM;
      const killAt = Date.now() + (number === SIG.KILL ? 0 : Math.max(0, graceMs));
      if (first || killAt < (note()?.killAt ?? Number.POSITIVE_INFINITY)) {
        const restart = { ...note(), killAt, ...(first && message !== undefined && { message }) } satisfies StopNote;
        const patch: JobPatch = {
          restart,
          ...(first && { reason: "STOPPING", stopReason: reason, stopRequestedBy: by }),
        };
        record = { ...record, ...patch };
        keeper.update(record.id, patch);
        if (first) keeper.stopping(job);
        timer("grace", killAt - Date.now(), kill);
      }
      stopSignal = graceMs > 0 ? number : SIG.KILL;
      if (stopSignal === SIG.KILL) kill();
      else tether.signalMain(stopSignal);
    },
    closed(signal) {
      if (record.state !== "RUNNING" || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (): void => {
          waiting.delete(done);
          signal.removeEventListener("abort", done);
          resolve();
        };
        waiting.add(done);
        signal.addEventListener("abort", done, { once: true });
      });
    },
    settle(patch) {
      record = { ...record, ...patch };
      output.end();
      for (const wake of waiting) wake();
    },
    abandon: forsake,
    arm() {
      if (over) return;
      if (record.stopReason !== undefined) timer("grace", (note()?.killAt ?? 0) - Date.now(), kill);
      else if (record.spec.timeout !== undefined) {
        // A launch that takes long on a busy host is no time of the job's.
        const began = fresh ? Date.now() : Number((record.startNs ?? record.createNs) / 1_000_000n);
        timer("timeout", began + record.spec.timeout - Date.now(), () => job.stop("TIMED_OUT", "tele"));
      }
    },
    disarm,
  };
  return job;
}
