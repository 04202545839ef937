/** What the API and the command line can ask of jobs: the seam between `api/` and the runtime. */
import type { Fault } from "#errors";
import type { Job, JobEvent } from "#spec/job.ts";
import type { JobSpec } from "#spec/schema.ts";

/** Where a job's output is and how it grows; a watcher is an offset into `dataPath`, never a queue. */
export interface Output {
  /** Raw bytes of stdout and stderr in the order they were read. */
  readonly dataPath: string;
  /** Fixed-size records over `dataPath` (see `runtime/output-index.ts`). */
  readonly indexPath: string;
  /** Bytes complete in `dataPath` now. */
  size(): number;
  /** Index records complete in `indexPath` now. */
  records(): number;
  /** True once no byte will follow: the end record is then known (`Jobs.get(id).end`). */
  ended(): boolean;
  /** Resolves (never rejects) when `size() > beyond` or `ended()`, or when the signal aborts. */
  grown(beyond: number, signal: AbortSignal): Promise<void>;
}

export interface StartRequest {
  readonly spec: JobSpec;
  readonly owner: string;
  /** The caller's own name for it; a UUIDv7 otherwise. */
  readonly id?: string;
}

export interface StopRequest {
  /** User who asks. */
  readonly by: string;
  /** First signal, `SIGTERM` by default. */
  readonly signal?: string;
  /** Milliseconds between the first signal and SIGKILL for everything, 5,000 by default. */
  readonly graceMs?: number;
}

/** Every method names a job by its bare id and throws TeleError (NOT_FOUND, FAILED_PRECONDITION, …). */
export interface Jobs {
  /** Resolves once the program runs. Rejects with START_FAILED (and leaves the job as FAILED), ALREADY_EXISTS, LIMIT_NOT_ENFORCEABLE, INSUFFICIENT_STORAGE. */
  start(request: StartRequest): Promise<Job>;
  /** Everything about this spec that cannot be had here, without starting anything. */
  examine(spec: JobSpec): Fault[];
  /** Undefined when there is none. `usage` is live while it runs. */
  get(id: string): Job | undefined;
  /** The same without asking the kernel for usage; cheap enough for lists. */
  peek(id: string): Job | undefined;
  /** Jobs after the cursor in (createTime, id) order; `owner` restricts. The caller filters and stops pulling when its page is full. */
  list(options: { owner?: string; after?: string; descending?: boolean }): Iterable<Job>;
  /** Idempotent; resolves with the job once it has begun to stop (or was closed already). */
  stop(id: string, request: StopRequest): Promise<Job>;
  /** A signal to the main process. FAILED_PRECONDITION when the job is closed. */
  signal(id: string, signal: string): Promise<void>;
  /** Resolves with the closed job, or with the open one when the signal aborts. */
  wait(id: string, signal: AbortSignal): Promise<Job>;
  /** Forget a closed job and its output. FAILED_PRECONDITION while it is open. */
  remove(id: string): Promise<void>;
  output(id: string): Output | undefined;
  /** Calls back on each event until the returned function is called. */
  subscribe(listener: (event: JobEvent) => void): () => void;
}
