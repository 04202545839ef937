/** One job in words: how `status` and `ps` say it. */
import type { DeniedCall, EndRecord, Job } from "#spec/job.ts";
import { shellLine } from "../shell.ts";
import { escapeControls } from "./error.ts";
import { humanMicros } from "./quantity.ts";
import type { Paint } from "./color.ts";

/** The command as one shell line that cannot draw on the terminal. */
export function commandLine(job: Job): string {
  return escapeControls(shellLine(job.spec.command));
}

/** `RUNNING`, `RUNNING (STOPPING)`, `COMPLETED`, `FAILED (exit 3)`, `FAILED (OOM_KILLED)`, `STOPPED (SIGTERM)`. */
export function stateText(job: Job): string {
  const why = whyText(job);
  return why === "" ? job.state : `${job.state} (${why})`;
}

function whyText({ state, reason, end }: Job): string {
  if (state === "RUNNING") return reason === "RUNNING" ? "" : reason;
  if (state === "COMPLETED") return "";
  if (reason === "EXITED") return `exit ${end?.exitCode ?? "?"}`;
  if (reason === "SIGNALED") return end?.signal ?? reason;
  if (state === "STOPPED" && reason === "STOPPED") return "";
  return reason;
}

/** The state in its colour. */
export function paintState(paint: Paint, job: Job, text: string): string {
  if (job.state === "FAILED") return paint("red", text);
  if (job.state === "RUNNING") return paint("green", text);
  return text;
}

/** How it ended, in one clause. */
export function endText(end: EndRecord): string {
  const parts: string[] = [];
  if (end.exitCode !== undefined) parts.push(`exit code ${end.exitCode}`);
  if (end.signal !== undefined) parts.push(`ended by ${end.signal}${end.coreDumped ? ", core dumped" : ""}`);
  if (parts.length === 0) parts.push(end.reason);
  if (end.stoppedBy !== undefined) parts.push(`stopped by ${end.stoppedBy}`);
  parts.push(`after ${humanMicros(end.usage.wallUs)}`);
  return parts.join(", ");
}

/** `ptrace ×3, mount`, or that nothing was. */
export function deniedText(calls: readonly DeniedCall[]): string {
  if (calls.length === 0) return "no system call";
  return calls.map(({ call, count }) => (count === 1 ? call : `${call} ×${count}`)).join(", ");
}

/** The host ids that stand for those of a job. */
export function idsText({ start, count }: NonNullable<Job["userns"]>): string {
  return count === 1 ? `0 is ${start} on the host` : `0-${count - 1} are ${start}-${start + count - 1} on the host`;
}
