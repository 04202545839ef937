/** A system call filter as runtimes exchange it: `linux.seccomp` of the OCI runtime specification (config-linux.md). */
import { z } from "zod";

export const OCI_ACTIONS = [
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_LOG",
  "SCMP_ACT_TRAP",
] as const;
export const OCI_OPERATORS = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;

const errno = z.int().min(1).max(4095);
const argument = z.strictObject({
  index: z.int().min(0).max(5),
  value: z.int().min(0),
  valueTwo: z.int().min(0).optional(),
  op: z.enum(OCI_OPERATORS),
});

export const OciSeccompSchema = z.strictObject({
  defaultAction: z.enum(OCI_ACTIONS),
  defaultErrnoRet: errno.optional(),
  architectures: z.array(z.string()).optional(),
  flags: z.array(z.string()).optional(),
  syscalls: z
    .array(
      z.strictObject({
        names: z.array(z.string()).min(1),
        action: z.enum(OCI_ACTIONS),
        errnoRet: errno.optional(),
        args: z.array(argument).max(6).nullish(),
        comment: z.string().optional(),
      }),
    )
    .max(1000)
    .default([]),
});

export type OciSeccomp = z.output<typeof OciSeccompSchema>;
