/** Where a list goes on: a place in (createNs, id) order, so it stays good when the job itself is gone. */
import type { Job } from "#spec/job.ts";
import { parseTime } from "./time.ts";

export interface Position {
  readonly createNs: bigint;
  readonly id: string;
}

/** The position as text of letters, digits, `-` and `~`. */
export function formatCursor(position: Position): string {
  return `${position.createNs}~${position.id}`;
}

/** The cursor just after a job as the API shows it. */
export function cursorOf(job: Pick<Job, "name" | "createTime">): string {
  return formatCursor({ createNs: parseTime(job.createTime) ?? 0n, id: job.name.slice("jobs/".length) });
}

/** The position that a cursor tells; undefined when the text is none (a bare id never holds `~`). */
export function parseCursor(text: string): Position | undefined {
  const match = /^(\d{1,19})~(.+)$/.exec(text);
  return match?.[1] && match[2] ? { createNs: BigInt(match[1]), id: match[2] } : undefined;
}
