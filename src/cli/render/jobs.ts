/** The table of `tele ps`. */
import type { Job } from "#spec/job.ts";
import type { Paint } from "./color.ts";
import { commandLine, paintState, stateText } from "./job.ts";
import { age } from "./quantity.ts";
import { renderTable } from "./table.ts";

const UUID = /^[0-9a-f]{8}-/;
/** Ends of a UUID's groups: a name is cut at the first where it differs from all the others. */
const CUTS = [13, 18, 23, 36];
const NARROWEST = 12;
/** Room for a command where no terminal says how much there is. */
const UNKNOWN = 40;

/** How the table is to look. */
export interface TableStyle {
  /** Whether names and commands may be cut. */
  readonly trunc: boolean;
  /** Columns of the terminal, where there is one. */
  readonly width: number | undefined;
  readonly paint: Paint;
}

/** One line for each job, with its age at `now` (milliseconds). */
export function renderJobs(jobs: readonly Job[], now: number, { trunc, width, paint }: TableStyle): string {
  const names = trunc ? shortNames(jobs) : jobs.map(({ name }) => name);
  const rest = jobs.map((job) => [stateText(job), job.owner, age(job.createTime, now), String(job.pid ?? "-")]);
  const heads = ["STATE", "OWNER", "AGE", "PID"];
  const room = trunc ? roomForCommand(width, ["JOB", ...names], [heads, ...rest]) : Number.POSITIVE_INFINITY;
  const lines = jobs.map((job, index) => {
    const [state = "", ...others] = rest[index] ?? [];
    return [names[index] ?? "", cut(commandLine(job), room), paintState(paint, job, state), ...others];
  });
  return renderTable([["JOB", "COMMAND", ...heads], ...lines]);
}

/** UUIDs cut to their first groups, as long as they can be told apart; the command line takes them so. */
function shortNames(jobs: readonly Job[]): readonly string[] {
  const ids = jobs.map(({ name }) => name.replace(/^jobs\//, ""));
  const seen = new Map<string, number>();
  for (const id of ids) for (const at of CUTS) seen.set(id.slice(0, at), (seen.get(id.slice(0, at)) ?? 0) + 1);
  return ids.map((id) => {
    if (!UUID.test(id)) return id;
    const at = CUTS.find((one) => seen.get(id.slice(0, one)) === 1);
    return id.slice(0, at);
  });
}

function roomForCommand(
  width: number | undefined,
  names: readonly string[],
  rest: readonly (readonly string[])[],
): number {
  if (width === undefined) return UNKNOWN;
  const columns = [names, ...[0, 1, 2, 3].map((column) => rest.map((row) => row[column] ?? ""))];
  const used = columns.reduce((sum, cells) => sum + Math.max(...cells.map((cell) => cell.length)) + 2, 0);
  return Math.max(NARROWEST, width - used);
}

function cut(text: string, room: number): string {
  const letters = Array.from(text);
  return letters.length <= room ? text : `${letters.slice(0, room - 1).join("")}…`;
}
