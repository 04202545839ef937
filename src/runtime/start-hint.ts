/** What helps whoever started a job that never ran. */
import { startExitCode } from "./lifecycle.ts";
import type { JobRecord } from "./store/record.ts";

/** What keeps a whole host from making sandboxes, by the step and the errno in which it shows. */
const HOST_HINTS: Readonly<Record<string, string>> = {
  "mounts.private EINVAL":
    "this process is in a chroot, where no sandbox can be made; enter it with pivot_root instead, as bwrap and containers do",
  "pivot.swap EINVAL":
    "this process is in a chroot, where no sandbox can be made; enter it with pivot_root instead, as bwrap and containers do",
  "proc.mount EPERM":
    "a new /proc may be mounted only where the old one is seen in full, which containers cover in parts; see: tele doctor",
};

/** The way out for a step that failed with this errno, where there is one to name. */
export function startHint(step: string, errno: string, record: Pick<JobRecord, "spec">): { hint?: string } {
  const command = record.spec.command[0] ?? "";
  switch (startExitCode(step, errno)) {
    case 127:
      return { hint: `there is no ${command} in the job's root file system, or its interpreter is missing` };
    case 126:
      return errno === "ENOEXEC"
        ? { hint: `${command} is no program the kernel knows; a script needs '#!' and its interpreter` }
        : { hint: `${command} is there but may not be executed by this user` };
    default:
      if (step === "workdir.enter") return { hint: `the job's working directory ${record.spec.workdir} must exist` };
      return { hint: HOST_HINTS[`${step} ${errno}`] ?? "tele doctor says what this host lacks, and the remedy" };
  }
}
