/** Between a JobRecord and a row of the table `jobs`. */
import type { Reason, State } from "#spec/job.ts";
import type { JobPatch, JobRecord } from "./record.ts";

/** A value as node:sqlite binds it. */
export type Value = string | number | bigint | null;

/** One row as read with `setReadBigInts(true)`: nanoseconds do not fit a JavaScript number. */
export type Row = Readonly<Record<string, unknown>>;

/** Columns in the order of `INSERT`. */
export const COLUMNS = [
  "id",
  "owner",
  "spec",
  "state",
  "reason",
  "create_ns",
  "start_ns",
  "end_ns",
  "enforced",
  "end",
  "tether_pid",
  "tether_start_ticks",
  "tether_boot_id",
  "restart",
  "stop_requested_by",
  "stop_reason",
  "userns_start",
  "userns_count",
] as const;
export type Column = (typeof COLUMNS)[number];

/** The columns that the given fields set, by name; fields that are absent or undefined set none. */
export function columnsOf(fields: Partial<JobRecord> | JobPatch): Partial<Record<Column, Value>> {
  const f: Partial<JobRecord> = fields;
  const columns: Partial<Record<Column, Value>> = {};
  if (f.id !== undefined) columns.id = f.id;
  if (f.owner !== undefined) columns.owner = f.owner;
  if (f.spec !== undefined) columns.spec = JSON.stringify(f.spec);
  if (f.state !== undefined) columns.state = f.state;
  if (f.reason !== undefined) columns.reason = f.reason;
  if (f.createNs !== undefined) columns.create_ns = f.createNs;
  if (f.startNs !== undefined) columns.start_ns = f.startNs;
  if (f.endNs !== undefined) columns.end_ns = f.endNs;
  if (f.enforced !== undefined) columns.enforced = JSON.stringify(f.enforced);
  if (f.end !== undefined) columns.end = JSON.stringify(f.end);
  if (f.tether !== undefined) {
    columns.tether_pid = f.tether.pid;
    columns.tether_start_ticks = f.tether.startTicks;
    columns.tether_boot_id = f.tether.bootId;
  }
  if (f.restart !== undefined) columns.restart = JSON.stringify(f.restart);
  if (f.stopRequestedBy !== undefined) columns.stop_requested_by = f.stopRequestedBy;
  if (f.stopReason !== undefined) columns.stop_reason = f.stopReason;
  if (f.userns !== undefined) {
    columns.userns_start = f.userns.start;
    columns.userns_count = f.userns.count;
  }
  return columns;
}

/** The record of a row. What is JSON there was made by `columnsOf` from the same types, so it is not validated again. */
export function recordOf(row: Row): JobRecord {
  const json = (column: Column): never => JSON.parse(row[column] as string) as never;
  const has = (column: Column): boolean => row[column] !== null;
  return {
    id: row.id as string,
    owner: row.owner as string,
    spec: json("spec"),
    state: row.state as State,
    reason: row.reason as Reason,
    createNs: row.create_ns as bigint,
    enforced: json("enforced"),
    ...(has("start_ns") && { startNs: row.start_ns as bigint }),
    ...(has("end_ns") && { endNs: row.end_ns as bigint }),
    ...(has("end") && { end: json("end") }),
    ...(has("tether_pid") && {
      tether: {
        pid: Number(row.tether_pid),
        startTicks: Number(row.tether_start_ticks),
        bootId: row.tether_boot_id as string,
      },
    }),
    ...(has("restart") && { restart: json("restart") }),
    ...(has("stop_requested_by") && { stopRequestedBy: row.stop_requested_by as string }),
    ...(has("stop_reason") && { stopReason: row.stop_reason as NonNullable<JobRecord["stopReason"]> }),
    ...(has("userns_start") && { userns: { start: Number(row.userns_start), count: Number(row.userns_count) } }),
  };
}
