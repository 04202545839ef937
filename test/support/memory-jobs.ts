/** Jobs that run nothing: records in memory and real output files, so that the HTTP half can be tested by itself. */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { TeleError } from "#errors";
import type { Jobs, Output, StartRequest, StopRequest } from "#runtime/jobs.ts";
import { encodeRecord, RECORD_BYTES, STDERR, STDOUT } from "#runtime/output-index.ts";
import { cursorOf } from "#runtime/store/cursor.ts";
import { formatTime } from "#runtime/store/time.ts";
import { LIMIT_NAMES, type EndRecord, type Enforced, type Job, type JobEvent } from "#spec/job.ts";
import { v7 } from "uuid";

interface Entry {
  job: Job;
  data: number;
  index: number;
  size: number;
  records: number;
  ended: boolean;
  readonly output: Output;
  waiting: (() => void)[];
}

/** The seam, and what a test does in the place of a workload. */
export interface MemoryJobs extends Jobs {
  readonly starts: StartRequest[];
  readonly stops: StopRequest[];
  readonly signals: string[];
  /** Fails the next start. */
  failNext(error: TeleError): void;
  append(id: string, stream: "stdout" | "stderr", bytes: string | Uint8Array, timeNs?: bigint): void;
  finish(id: string, end?: Partial<EndRecord>): void;
  /** Watchers that wait for more output. */
  waiting(id: string): number;
  subscribers(): number;
  dispose(): void;
}

const nowNs = (): bigint => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;

const enforced = Object.fromEntries(LIMIT_NAMES.map((name) => [name, { by: "none" }])) as unknown as Enforced;

/** Makes such jobs, with their files below `dir`. */
export function createMemoryJobs(dir: string): MemoryJobs {
  const entries = new Map<string, Entry>();
  const listeners = new Set<(event: JobEvent) => void>();
  let sequence = 0;
  let failure: TeleError | undefined;
  const starts: StartRequest[] = [];
  const stops: StopRequest[] = [];
  const signals: string[] = [];

  const entryOf = (id: string): Entry => {
    const entry = entries.get(id);
    if (!entry) throw new TeleError("NOT_FOUND", { detail: `there is no job ${id}` });
    return entry;
  };
  const emit = (type: JobEvent["type"], job: Job): void => {
    sequence++;
    for (const listener of listeners) listener({ sequence, time: formatTime(nowNs()), type, job });
  };
  const wake = (entry: Entry): void => {
    for (const resolve of entry.waiting.splice(0)) resolve();
  };
  const until = (entry: Entry, done: () => boolean, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (done() || signal.aborted) return resolve();
      const check = (): void => {
        if (!done() && !signal.aborted) return void entry.waiting.push(check);
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = (): void => {
        entry.waiting = entry.waiting.filter((one) => one !== check);
        resolve();
      };
      entry.waiting.push(check);
      signal.addEventListener("abort", onAbort, { once: true });
    });

  const jobs: MemoryJobs = {
    starts,
    stops,
    signals,
    failNext(error) {
      failure = error;
    },
    append(id, stream, bytes, timeNs = nowNs()) {
      const entry = entryOf(id);
      const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
      writeSync(entry.data, data);
      const record = Buffer.alloc(RECORD_BYTES);
      encodeRecord(record, 0, entry.size, data.length, stream === "stdout" ? STDOUT : STDERR, timeNs);
      writeSync(entry.index, record);
      entry.size += data.length;
      entry.records++;
      wake(entry);
    },
    finish(id, end = {}) {
      const entry = entryOf(id);
      const usage = { wallUs: 5, outputBytes: entry.size };
      const whole: EndRecord = { reason: "EXITED", exitCode: 0, usage, ...end };
      const state = whole.reason === "STOPPED" ? "STOPPED" : whole.exitCode === 0 ? "COMPLETED" : "FAILED";
      const { pid: _, ...job } = entry.job;
      entry.job = {
        ...job,
        state,
        phase: "CLOSED",
        reason: whole.reason,
        endTime: formatTime(nowNs()),
        usage,
        end: whole,
      };
      entry.ended = true;
      wake(entry);
      emit("job.ended", entry.job);
    },
    waiting: (id) => entryOf(id).waiting.length,
    subscribers: () => listeners.size,
    dispose() {
      for (const { data, index } of entries.values()) {
        closeSync(data);
        closeSync(index);
      }
      rmSync(dir, { recursive: true, force: true });
    },

    async start(request) {
      starts.push(request);
      const error = failure;
      failure = undefined;
      if (error) throw error;
      const id = request.id ?? v7();
      if (entries.has(id)) throw new TeleError("ALREADY_EXISTS", { detail: `jobs/${id} exists` });
      const folder = join(dir, id);
      mkdirSync(folder, { recursive: true });
      const dataPath = join(folder, "data");
      const indexPath = join(folder, "index");
      const time = formatTime(nowNs());
      const entry: Entry = {
        data: openSync(dataPath, "a"),
        index: openSync(indexPath, "a"),
        size: 0,
        records: 0,
        ended: false,
        waiting: [],
        job: {
          name: `jobs/${id}`,
          owner: request.owner,
          spec: request.spec,
          labels: request.spec.labels,
          state: "RUNNING",
          phase: "OPEN",
          reason: "RUNNING",
          createTime: time,
          startTime: time,
          pid: 4242,
          enforced,
          usage: { wallUs: 1, outputBytes: 0 },
        },
        output: {
          dataPath,
          indexPath,
          size: () => entry.size,
          records: () => entry.records,
          ended: () => entry.ended,
          grown: (beyond, signal) => until(entry, () => entry.size > beyond || entry.ended, signal),
        },
      };
      entries.set(id, entry);
      emit("job.started", entry.job);
      return entry.job;
    },
    get: (id) => entries.get(id)?.job,
    peek: (id) => entries.get(id)?.job,
    *list({ owner, after, descending }) {
      const all = [...entries.values()].map(({ job }) => job);
      if (descending) all.reverse();
      const from = after === undefined ? 0 : all.findIndex((job) => cursorOf(job) === after) + 1;
      for (const job of all.slice(from)) if (owner === undefined || job.owner === owner) yield job;
    },
    async stop(id, request) {
      stops.push(request);
      const entry = entryOf(id);
      if (entry.job.phase === "OPEN") {
        entry.job = { ...entry.job, reason: "STOPPING" };
        emit("job.stopping", entry.job);
      }
      return entry.job;
    },
    async signal(id, signal) {
      const { job } = entryOf(id);
      if (job.phase === "CLOSED") throw new TeleError("FAILED_PRECONDITION", { detail: `${job.name} is closed` });
      signals.push(signal);
    },
    async wait(id, signal) {
      const entry = entryOf(id);
      await until(entry, () => entry.job.phase === "CLOSED", signal);
      return entry.job;
    },
    async remove(id) {
      const entry = entryOf(id);
      if (entry.job.phase === "OPEN")
        throw new TeleError("FAILED_PRECONDITION", { detail: `jobs/${id} is open`, hint: "stop it first" });
      entries.delete(id);
      closeSync(entry.data);
      closeSync(entry.index);
      rmSync(join(dir, id), { recursive: true });
      emit("job.deleted", entry.job);
    },
    output: (id) => entries.get(id)?.output,
    examine: () => [],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return jobs;
}
