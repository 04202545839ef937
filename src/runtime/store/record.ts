/** What is kept of a job on disk, and how the API shows it. */
import type { IdRange } from "#host/id-ranges.ts";
import type { EndRecord, Enforced, Job, Reason, State, Usage } from "#spec/job.ts";
import type { JobSpec } from "#spec/schema.ts";
import { formatTime } from "./time.ts";

/** Names one process for good: a pid alone may be another's tomorrow, and start ticks count from a boot (proc(5)). */
export interface TetherRecord {
  readonly pid: number;
  /** Field 22 of /proc/pid/stat, clock ticks after boot. */
  readonly startTicks: number;
  /** /proc/sys/kernel/random/boot_id when it was started. */
  readonly bootId: string;
}

/** One job as the store keeps it. Times in nanoseconds since the epoch. */
export interface JobRecord {
  readonly id: string;
  readonly owner: string;
  readonly spec: JobSpec;
  readonly state: State;
  readonly reason: Reason;
  readonly createNs: bigint;
  readonly startNs?: bigint;
  readonly endNs?: bigint;
  readonly enforced: Enforced;
  readonly end?: EndRecord;
  readonly tether?: TetherRecord;
  /** What else the supervisor needs to find the job again after a restart (cgroups, …): JSON that only it reads. */
  readonly restart?: Readonly<Record<string, unknown>>;
  readonly stopRequestedBy?: string;
  /** The reason that the job will end with because of a stop that has begun. */
  readonly stopReason?: EndRecord["reason"];
  /** Host ids of its user namespace, nobody else's until the job is deleted; absent where it has the host's. */
  readonly userns?: IdRange;
}

/** What may change in a job after it was made. A field that is present is set; none can be unset. */
export type JobPatch = Partial<Omit<JobRecord, "id" | "owner" | "spec" | "createNs" | "userns">>;

/** What only the kernel knows of a running job. */
export interface Live {
  readonly usage: Usage;
  readonly pid?: number;
}

const NO_USAGE: Usage = { wallUs: 0, outputBytes: 0 };

/** The job as the API shows it; a closed one shows the usage of its end record, whatever `live` says. */
export function toJob(record: JobRecord, live?: Live): Job {
  const open = record.state === "RUNNING";
  return {
    name: `jobs/${record.id}`,
    owner: record.owner,
    spec: record.spec,
    labels: record.spec.labels,
    state: record.state,
    phase: open ? "OPEN" : "CLOSED",
    reason: record.reason,
    createTime: formatTime(record.createNs),
    ...(record.startNs !== undefined && { startTime: formatTime(record.startNs) }),
    ...(record.endNs !== undefined && { endTime: formatTime(record.endNs) }),
    ...(open && live?.pid !== undefined && { pid: live.pid }),
    enforced: record.enforced,
    ...(record.userns !== undefined && { userns: record.userns }),
    usage: record.end?.usage ?? live?.usage ?? NO_USAGE,
    ...(record.end !== undefined && { end: record.end }),
  };
}
