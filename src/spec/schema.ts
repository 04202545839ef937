/** The JobSpec: one schema validates requests, makes the OpenAPI document and is the type. */
import { z } from "zod";
import { parseDuration, parseSize } from "./quantity.ts";
import { NOFILE_HARD } from "./limits.ts";
import { REQUIRE_NAMES } from "./job.ts";
import { MountSchema, RootSchema } from "./mounts.ts";
import { SecuritySchema } from "./security.ts";
import { UlimitsSchema } from "./ulimits.ts";

/** Longest single argument the kernel takes, NUL included (MAX_ARG_STRLEN, execve(2)). */
export const MAX_ARGUMENT_BYTES = 131_072;
/** Most bytes of arguments and environment together: a quarter of the 8 MiB stack that the kernel allows for (execve(2)). */
export const MAX_ARGUMENTS_BYTES = 1_048_576;

/** Most mounts of one job. */
export const MOST_MOUNTS = 64;

const byteLength = (text: string): number => Buffer.byteLength(text);
const noNul = (text: string): boolean => !text.includes("\0");

const text = z
  .string()
  .refine(noNul, "must not hold a NUL byte")
  .refine(
    (s) => byteLength(s) < MAX_ARGUMENT_BYTES,
    `must be shorter than ${MAX_ARGUMENT_BYTES} bytes, the kernel's longest argument`,
  );

const size = z
  .union([z.number(), z.string()])
  .transform((value, context) => {
    const bytes = typeof value === "number" ? value : parseSize(value);
    if (bytes !== undefined && Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
    context.addIssue({ code: "custom", message: 'must be a number of bytes or a size such as "512Mi"' });
    return z.NEVER;
  })
  .meta({ description: 'Bytes, or a size such as "512Mi".' });

/** A duration in the request, milliseconds in the spec. */
const duration = z
  .string()
  .transform((value, context) => {
    const milliseconds = parseDuration(value);
    if (milliseconds !== undefined && milliseconds > 0 && milliseconds <= 366 * 864e5) return milliseconds;
    context.addIssue({
      code: "custom",
      message: 'must be a duration above zero and up to a year, such as "30s" or "1h30m"',
    });
    return z.NEVER;
  })
  .meta({ description: 'A duration such as "30s".' });

const rate = size.refine((n) => n >= 1, "must be at least 1");
const atLeast = (least: number, unit: string) => size.refine((n) => n >= least, `must be at least ${least} ${unit}`);

export const LimitsSchema = z
  .strictObject({
    cpus: z.number().min(0.001).max(4096),
    memory: atLeast(1 << 20, "bytes"),
    memoryHigh: atLeast(1 << 20, "bytes"),
    swap: size,
    pids: z.int().min(1).max(4_194_304),
    nofile: z.int().min(16).max(NOFILE_HARD),
    output: size,
    io: z.strictObject({ rbps: rate, wbps: rate, riops: rate, wiops: rate }).partial(),
  })
  .partial();

const environmentName = z
  .string()
  .min(1)
  .refine((s) => noNul(s) && !s.includes("="), "must not hold '=' or NUL");
const labelName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$/, "must be lower-case letters, digits and ._/- , up to 63");

/** What `POST /v1/jobs` takes. Unknown fields are faults. */
export const JobSpecSchema = z
  .strictObject({
    command: z
      .array(text)
      .min(1, "must name a program")
      .refine((c) => c[0] !== "", "must name a program"),
    env: z.record(environmentName, text).default({}),
    clearEnv: z.boolean().optional().meta({ description: "`true`: nothing but `env`, not even PATH and HOME." }),
    workdir: text.refine((p) => p.startsWith("/"), "must be an absolute path").default("/"),
    user: z
      .string()
      .regex(/^([a-z_][a-z0-9_.-]{0,31}|\d{1,10}(:\d{1,10})?)$/i, "must be a user's name, or uid, or uid:gid")
      .default("0"),
    hostname: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$/i, "must be a host name of up to 64 characters")
      .default("sandbox"),
    labels: z.record(labelName, z.string().max(255)).default({}),
    timeout: duration.optional(),
    limits: LimitsSchema.default({}),
    ulimits: UlimitsSchema.default({}),
    require: z.array(z.enum(REQUIRE_NAMES)).default([]),
    root: RootSchema.default({ type: "host" }),
    mounts: z.array(MountSchema).max(MOST_MOUNTS).default([]),
    security: SecuritySchema.default({}),
  })
  .refine((spec) => argumentBytes(spec) <= MAX_ARGUMENTS_BYTES, {
    path: ["command"],
    message: `arguments and environment together must stay below ${MAX_ARGUMENTS_BYTES} bytes`,
  });

function argumentBytes(spec: { command: string[]; env: Record<string, string> }): number {
  let bytes = 0;
  for (const argument of spec.command) bytes += byteLength(argument) + 9;
  for (const [name, value] of Object.entries(spec.env)) bytes += byteLength(name) + byteLength(value) + 10;
  return bytes;
}

/** A validated spec: sizes in bytes, `timeout` in milliseconds, `limits` only those asked for. */
export type JobSpec = z.output<typeof JobSpecSchema>;
/** What a client may send. */
export type JobSpecInput = z.input<typeof JobSpecSchema>;
