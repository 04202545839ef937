/** What the API answers, as schemas: they make the OpenAPI document, and the compiler holds them to the types of `#spec`. */
import { z } from "zod";
import { CODES } from "#errors";
import type { EndRecord, Enforced, Job, JobEvent, Usage } from "#spec/job.ts";
import { JobSpecSchema } from "#spec/schema.ts";

const count = z.int().min(0);
const time = z.iso.datetime({ offset: true }).meta({ description: "RFC 3339 in UTC, with nanoseconds." });
const labels = z.record(z.string(), z.string());

const held = z.object({
  by: z.enum(["cgroup2", "cgroup1", "rlimit", "tele", "kernel", "none"]),
  how: z.string().exactOptional().meta({ description: "What exactly holds, where there is more than one way." }),
  why: z.string().exactOptional().meta({ description: "What does not hold, and why." }),
});
const heldNow = held.exactOptional();

export const EnforcedSchema = z
  .object({
    cpus: held,
    memory: held,
    memoryHigh: held,
    swap: held,
    pids: held,
    io: held,
    nofile: held,
    output: held,
    timeout: held,
    userns: heldNow,
    namespaces: heldNow,
    root: heldNow,
    capabilities: heldNow,
    noNewPrivileges: heldNow,
    seccomp: heldNow,
    landlock: heldNow,
    maskedPaths: heldNow,
    devices: heldNow,
    keyring: heldNow,
    descriptors: heldNow,
    tether: heldNow,
  })
  .meta({
    description: "By what each limit and each hardening is really held; jobs of older versions lack the hardening.",
  });

export const UsageSchema = z.object({
  wallUs: count,
  cpuUs: count.exactOptional(),
  userUs: count.exactOptional(),
  systemUs: count.exactOptional(),
  throttledUs: count.exactOptional(),
  memoryBytes: count.exactOptional(),
  memoryPeakBytes: count.exactOptional(),
  oomKills: count.exactOptional(),
  pids: count.exactOptional(),
  ioReadBytes: count.exactOptional(),
  ioWriteBytes: count.exactOptional(),
  outputBytes: count,
});

const END_REASONS = [
  "EXITED",
  "SIGNALED",
  "OOM_KILLED",
  "TIMED_OUT",
  "OUTPUT_LIMIT",
  "STOPPED",
  "START_FAILED",
  "LOST",
] as const;

export const EndRecordSchema = z.object({
  reason: z.enum(END_REASONS),
  exitCode: z.int().exactOptional(),
  signal: z.string().exactOptional(),
  coreDumped: z.boolean().exactOptional(),
  stoppedBy: z.string().exactOptional(),
  message: z.string().exactOptional(),
  step: z.string().exactOptional(),
  errno: z.string().exactOptional(),
  deniedCalls: z
    .array(z.object({ call: z.string(), count }))
    .readonly()
    .exactOptional()
    .meta({ description: "System calls that its filter denied, the most frequent first, where it was asked for." }),
  usage: UsageSchema,
});

export const JobSchema = z.object({
  name: z.string().meta({ description: "jobs/{id}" }),
  owner: z.string(),
  spec: z.custom<Job["spec"]>().meta({
    type: "object",
    description: "The spec with its defaults: sizes in bytes, times in milliseconds.",
  }),
  labels,
  state: z.enum(["RUNNING", "COMPLETED", "FAILED", "STOPPED"]),
  phase: z.enum(["OPEN", "CLOSED"]),
  reason: z.enum(["RUNNING", "STOPPING", ...END_REASONS]),
  createTime: time,
  startTime: time.exactOptional(),
  endTime: time.exactOptional(),
  pid: z.int().exactOptional(),
  enforced: EnforcedSchema,
  userns: z
    .object({ start: count, count })
    .exactOptional()
    .meta({ description: "Host ids of its user namespace: 0 inside is `start` outside, and so on up to `count`." }),
  usage: UsageSchema,
  end: EndRecordSchema.exactOptional(),
});

export const JobListSchema = z.object({
  jobs: z.array(JobSchema),
  nextPageToken: z.string().exactOptional().meta({ description: "Absent on the last page." }),
});

export const JobEventSchema = z.object({
  sequence: count,
  time,
  type: z.enum(["job.started", "job.stopping", "job.ended", "job.deleted"]),
  job: JobSchema,
});

/** What `GET /v1/host` tells of the machine and the daemon. */
export const HostInfoSchema = z.object({
  version: z.string(),
  startTime: time,
  hostname: z.string(),
  kernel: z.string(),
  architecture: z.string(),
  cpus: z.int(),
  memoryBytes: count,
  enforced: EnforcedSchema.exactOptional(),
});
export type HostInfo = z.output<typeof HostInfoSchema>;

export const HealthSchema = z.object({ status: z.literal("ok") });

export const ProblemSchema = z.object({
  type: z.enum(Object.keys(CODES).map((code) => `urn:tele:problem:${code}`)),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  hint: z.string().exactOptional(),
  step: z.string().exactOptional(),
  errno: z.string().exactOptional(),
  faults: z.array(z.object({ pointer: z.string(), detail: z.string() })).exactOptional(),
  instance: z.string().exactOptional(),
});

/** One line of `Accept: application/x-ndjson`, and the data of one event of `text/event-stream`. */
export const FrameSchema = z.union([
  z.object({
    offset: count,
    stream: z.enum(["stdout", "stderr"]),
    time,
    data: z.string().exactOptional().meta({ description: "The bytes, when they are valid UTF-8." }),
    dataBase64: z.string().exactOptional().meta({ description: "The bytes, when they are not." }),
  }),
  z.object({ end: EndRecordSchema }),
]);

/** The schemas that the OpenAPI document names; the rest is written out where it is used. */
export const COMPONENTS: Readonly<Record<string, z.ZodType>> = {
  JobSpec: JobSpecSchema,
  Job: JobSchema,
  JobList: JobListSchema,
  JobEvent: JobEventSchema,
  EndRecord: EndRecordSchema,
  Usage: UsageSchema,
  Enforced: EnforcedSchema,
  Frame: FrameSchema,
  HostInfo: HostInfoSchema,
  Health: HealthSchema,
  Problem: ProblemSchema,
};

type Whole<T> = T extends object ? { [K in keyof T]-?: Whole<T[K]> } : T;
type Fits<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
/** Optional fields fit even where they are missing, so both are compared a second time without their question marks. */
type Same<A, B> = Fits<A, B> extends true ? Fits<Whole<A>, Whole<B>> : false;
type Holds<T extends true> = T;

/** Does not compile when a schema and its type in `#spec/job.ts` differ. */
export type SchemasMatchTypes = [
  Holds<Same<z.output<typeof JobSchema>, Job>>,
  Holds<Same<z.output<typeof JobEventSchema>, JobEvent>>,
  Holds<Same<z.output<typeof EndRecordSchema>, EndRecord>>,
  Holds<Same<z.output<typeof UsageSchema>, Usage>>,
  Holds<Same<z.output<typeof EnforcedSchema>, Enforced>>,
];
