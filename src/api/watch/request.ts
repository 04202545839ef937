/** What a watcher asks for, out of its query and headers. */
import { z } from "zod";
import { TeleError } from "#errors";
import { parseTime } from "#runtime/store/time.ts";
import { STDERR, STDOUT } from "#runtime/output-index.ts";
import { parseDuration } from "#spec/quantity.ts";
import { invalid } from "../problem.ts";
import type { Wanted } from "./reader.ts";

const number = z
  .string()
  .regex(/^\d{1,15}$/, "must be a number")
  .transform(Number);

export const WatchQuery = z.strictObject({
  stream: z.enum(["all", "stdout", "stderr"]).default("all"),
  follow: z
    .enum(["true", "false"])
    .default("true")
    .meta({ description: "Whether to go on until the job's end; otherwise what there is now." }),
  since: z.string().optional().meta({ description: 'Only what was written since then: RFC 3339, or "10m" ago.' }),
  tail: number.optional().meta({ description: "Only the last so many lines of what there is now (and what follows)." }),
  offset: number.optional().meta({ description: "Only from this byte of the whole output on." }),
});

export type WatchFormat = "raw" | "ndjson" | "sse";

/** A part of the bytes as RFC 9110 section 14 has it; `last` is inclusive. */
export type ByteRange = { readonly first: number; readonly last: number | undefined } | { readonly suffix: number };

export interface WatchPlan {
  readonly format: WatchFormat;
  readonly wanted: Wanted;
  readonly follow: boolean;
  readonly offset?: number;
  readonly sinceNs?: bigint;
  readonly tail?: number;
  readonly range?: ByteRange;
  /** The client has had the end record: an EventSource that connects again is told to stop. */
  readonly done: boolean;
}

/** Header fields by their small names. */
export interface WatchHeaders {
  readonly accept?: string | undefined;
  readonly range?: string | undefined;
  readonly lastEventId?: string | undefined;
}

/** `id` of the event that carries the end record. */
export const END_EVENT_ID = "end";

/** Puts query and headers together. `nowMs` is what `since=10m` counts from. Throws INVALID_ARGUMENT. */
export function planWatch(query: z.output<typeof WatchQuery>, headers: WatchHeaders, nowMs: number): WatchPlan {
  const format = formatOf(headers.accept ?? "");
  const wanted = query.stream === "all" ? "all" : query.stream === "stdout" ? STDOUT : STDERR;
  const range = parseRange(headers.range);
  const resume = format === "sse" ? headers.lastEventId : undefined;
  if (range) {
    if (format !== "raw" || wanted !== "all")
      throw conflict("Range counts bytes of stream=all as application/octet-stream", "use ?offset= instead");
    if (query.offset !== undefined || query.since !== undefined || query.tail !== undefined)
      throw conflict("Range goes with neither offset, since nor tail", "use one of them");
  }
  const offset = resume === undefined || resume === END_EVENT_ID ? query.offset : resumeAt(resume);
  return {
    format,
    wanted,
    follow: query.follow === "true",
    done: resume === END_EVENT_ID,
    ...(offset !== undefined && { offset }),
    ...(query.since !== undefined && resume === undefined && { sinceNs: parseSince(query.since, nowMs) }),
    ...(query.tail !== undefined && resume === undefined && { tail: query.tail }),
    ...(range && { range }),
  };
}

function formatOf(accept: string): WatchFormat {
  if (accept.includes("text/event-stream")) return "sse";
  return accept.includes("application/x-ndjson") ? "ndjson" : "raw";
}

function parseSince(text: string, nowMs: number): bigint {
  const time = parseTime(text);
  if (time !== undefined) return time;
  const ago = parseDuration(text);
  if (ago !== undefined) return BigInt(Math.max(0, Math.round(nowMs - ago))) * 1_000_000n;
  throw invalid([
    { pointer: "?since", detail: 'must be RFC 3339, such as "2026-11-22T12:00:00Z", or a duration ago, such as "10m"' },
  ]);
}

function resumeAt(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new TeleError("INVALID_ARGUMENT", {
    detail: "Last-Event-ID is none of ours",
    hint: "send the id of the last event you got, or leave it out",
  });
}

/** As RFC 9110 allows, what is no single range of bytes is as if it were not there. */
function parseRange(text: string | undefined): ByteRange | undefined {
  const match = /^bytes=\s*(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))\s*$/.exec(text ?? "");
  if (!match) return undefined;
  if (match[3] !== undefined) return { suffix: Number(match[3]) };
  const first = Number(match[1]);
  const last = match[2] === undefined ? undefined : Number(match[2]);
  return last !== undefined && last < first ? undefined : { first, last };
}

function conflict(detail: string, hint: string): TeleError {
  return new TeleError("INVALID_ARGUMENT", { detail, hint });
}
