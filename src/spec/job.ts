/** The shapes of API resources: plain types that the server fills and the command line reads. */
import type { JobSpec } from "./schema.ts";

/** `RUNNING` until the end, then one of the three for good. */
export type State = "RUNNING" | "COMPLETED" | "FAILED" | "STOPPED";

/** Whether the job may still change. */
export type Phase = "OPEN" | "CLOSED";

/** Why a job is in its state. */
export type Reason =
  | "RUNNING"
  | "STOPPING"
  | "EXITED"
  | "SIGNALED"
  | "OOM_KILLED"
  | "TIMED_OUT"
  | "OUTPUT_LIMIT"
  | "STOPPED"
  | "START_FAILED"
  | "LOST";

/** By what one limit is held; `why` says what the host lacks or which part of the limit is not held. */
export interface EnforcedBy {
  readonly by: "cgroup2" | "cgroup1" | "rlimit" | "tele" | "kernel" | "none";
  /** What exactly holds, where there is more than one way. */
  readonly how?: string;
  readonly why?: string;
}

/** The limits that a job can `require`, in listing order. */
export const LIMIT_NAMES = [
  "cpus",
  "memory",
  "memoryHigh",
  "swap",
  "pids",
  "io",
  "nofile",
  "output",
  "timeout",
] as const;
export type LimitName = (typeof LIMIT_NAMES)[number];

/** The hardening of a job, in listing order: what each means is in `program/hardening.ts`. */
export const HARDENING_NAMES = [
  "userns",
  "namespaces",
  "root",
  "capabilities",
  "noNewPrivileges",
  "seccomp",
  "landlock",
  "maskedPaths",
  "devices",
  "keyring",
  "descriptors",
  "tether",
] as const;
export type HardeningName = (typeof HARDENING_NAMES)[number];

/** What a job can `require` to be held. */
export const REQUIRE_NAMES = [...LIMIT_NAMES, ...HARDENING_NAMES] as const;
export type RequireName = (typeof REQUIRE_NAMES)[number];

/** By what each limit and each hardening of a job is held. Jobs of older versions lack the hardening. */
export type Enforced = Readonly<Record<LimitName, EnforcedBy>> & Readonly<Partial<Record<HardeningName, EnforcedBy>>>;

/** Use of resources, live or final. Times in microseconds, the rest in bytes or counts; absent where nothing measures it. */
export interface Usage {
  readonly wallUs: number;
  readonly cpuUs?: number;
  readonly userUs?: number;
  readonly systemUs?: number;
  readonly throttledUs?: number;
  readonly memoryBytes?: number;
  readonly memoryPeakBytes?: number;
  readonly oomKills?: number;
  readonly pids?: number;
  readonly ioReadBytes?: number;
  readonly ioWriteBytes?: number;
  readonly outputBytes: number;
}

/** The truthful end of a job. */
export interface EndRecord {
  readonly reason: Exclude<Reason, "RUNNING" | "STOPPING">;
  /** Status of the main process, when it exited. 127, 126, 125 as in the shell when it never ran. */
  readonly exitCode?: number;
  /** Name of the signal that ended the main process, such as `SIGKILL`. */
  readonly signal?: string;
  readonly coreDumped?: boolean;
  /** User who asked for the stop, `tele` when a limit of ours did. */
  readonly stoppedBy?: string;
  /** What happened, where the reason alone does not say (a failing step, a full disk, why it is lost). */
  readonly message?: string;
  readonly step?: string;
  readonly errno?: string;
  /**
   * System calls that its filter denied, with how often, where it was asked for; the most frequent first, 64 at most. Left
   * out where the daemon changed during the job's life, since nobody can say then what is missing.
   */
  readonly deniedCalls?: readonly DeniedCall[];
  readonly usage: Usage;
}

/** A system call that a filter denied. */
export interface DeniedCall {
  /** Its name on this machine, or its number where it has none; `others` for all numbers from 1024 on. */
  readonly call: string;
  /** A call that a signal interrupts is made, and may be counted, again. */
  readonly count: number;
}

/** A job as the API shows it. Times are RFC 3339 in UTC with nanoseconds. */
export interface Job {
  /** `jobs/{id}` */
  readonly name: string;
  readonly owner: string;
  readonly spec: JobSpec;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: State;
  readonly phase: Phase;
  readonly reason: Reason;
  readonly createTime: string;
  readonly startTime?: string;
  readonly endTime?: string;
  /** The main process as the host numbers it, while it runs. */
  readonly pid?: number;
  readonly enforced: Enforced;
  /** Host ids of its user namespace: 0 inside is `start` outside, and so on up to `count`. Nobody else has them while the job is kept. */
  readonly userns?: { readonly start: number; readonly count: number };
  readonly usage: Usage;
  readonly end?: EndRecord;
}

/** One change of a job, as `GET /v1/events` tells it. */
export interface JobEvent {
  /** Rises by one with each event of this daemon's life. */
  readonly sequence: number;
  readonly time: string;
  readonly type: "job.started" | "job.stopping" | "job.ended" | "job.deleted";
  readonly job: Job;
}
