/** What helps whoever started a job that never ran. */
import { startExitCode } from "./lifecycle.ts";
import type { JobRecord } from "./store/record.ts";

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
      return step === "workdir.enter" ? { hint: `the job's working directory ${record.spec.workdir} must exist` } : {};
  }
}
