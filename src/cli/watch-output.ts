/** A job's output from the server to our own stdout and stderr, over as many connections as it takes. */
import type { IncomingMessage } from "node:http";
import { TeleError } from "#errors";
import type { EndRecord } from "#spec/job.ts";
import type { Call, Client } from "./client.ts";
import { droppedError, isDrop } from "./dropped.ts";
import { jobPath } from "./names.ts";
import { retries } from "./retry.ts";
import { linesOf } from "./sse.ts";

/** What to show of it. */
export interface WatchQuery {
  readonly stream?: string | undefined;
  readonly follow: boolean;
  readonly since?: string | undefined;
  readonly tail?: string | undefined;
}

/** One frame of `application/x-ndjson`. */
export interface Frame {
  readonly offset: number;
  readonly stream: "stdout" | "stderr";
  readonly time: string;
  readonly bytes: Uint8Array;
}

/**
 * The request for raw bytes, from byte `from` on. A range counts bytes of everything, so one stream alone is asked for
 * from its beginning again.
 */
export function bytesCall(id: string, query: WatchQuery, from = 0): Call {
  const range = from === 0 || query.stream !== undefined ? undefined : { range: `bytes=${from}-` };
  const headers = { accept: "application/octet-stream", ...range };
  return { method: "GET", path: jobPath(id, ":watch"), query: parameters(query), headers };
}

/** The request for frames, from byte `offset` of the job's whole output. */
export function framesCall(id: string, query: WatchQuery, offset?: number): Call {
  const headers = { accept: "application/x-ndjson" };
  return { method: "GET", path: jobPath(id, ":watch"), query: { ...parameters(query), offset }, headers };
}

function parameters({ stream, follow, since, tail }: WatchQuery): NonNullable<Call["query"]> {
  return { stream, follow: follow ? undefined : false, since, tail };
}

/** Hands on the raw bytes, each once, until the end; a dropped connection is resumed behind the last byte. */
export async function watchBytes(
  client: Client,
  id: string,
  query: WatchQuery,
  sink: (bytes: Uint8Array) => void,
  onRetry: () => void,
): Promise<void> {
  let at = 0;
  await resuming(onRetry, async (progress) => {
    const response = await openAt(client, bytesCall(id, query, at));
    if (response === undefined) return;
    // Where the server begins anew, what we have is passed over.
    let skip = response.statusCode === 206 ? 0 : at;
    await readAll(response, (chunk) => {
      progress();
      const fresh = skip === 0 ? chunk : chunk.subarray(skip);
      skip -= Math.min(skip, chunk.length);
      if (fresh.length === 0) return;
      at += fresh.length;
      sink(fresh);
    });
  });
}

/** Hands on the lines of frames as they came, each once, with what they hold; resolves with the end record if told. */
export async function watchFrames(
  client: Client,
  id: string,
  query: WatchQuery,
  sink: (line: string, frame: Frame | undefined) => void,
  onRetry: () => void,
): Promise<EndRecord | undefined> {
  let at = 0;
  let begun = false;
  let end: EndRecord | undefined;
  await resuming(onRetry, async (progress) => {
    // `since` and `tail` say where to begin; once that is known the offset says where to go on.
    const rest = begun ? { ...query, since: undefined, tail: undefined } : query;
    const response = await openAt(client, framesCall(id, rest, begun ? at : undefined));
    if (response === undefined) return;
    for await (const line of linesOf(response)) {
      if (line === "") continue;
      progress();
      const value = JSON.parse(line) as Record<string, unknown>;
      if (value["end"] !== undefined) {
        end = value["end"] as EndRecord;
        sink(line, undefined);
        return;
      }
      const frame = toFrame(value);
      if (begun && frame.offset < at) continue;
      begun = true;
      at = frame.offset + frame.bytes.length;
      sink(line, frame);
    }
    if (!response.complete) throw dropped();
  });
  return end;
}

function toFrame(value: Record<string, unknown>): Frame {
  const { offset, stream, time, data, dataBase64 } = value;
  const bytes =
    typeof dataBase64 === "string"
      ? Buffer.from(dataBase64, "base64")
      : Buffer.from(typeof data === "string" ? data : "");
  return { offset: Number(offset), stream: stream === "stderr" ? "stderr" : "stdout", time: String(time), bytes };
}

/** The answer; undefined when there is nothing from that byte on, because the output ended there. */
async function openAt(client: Client, call: Call): Promise<IncomingMessage | undefined> {
  try {
    return await client.stream(call);
  } catch (error) {
    if (error instanceof TeleError && error.code === "RANGE_NOT_SATISFIABLE") return undefined;
    throw error;
  }
}

/** Reads to the end. The sink blocks while its reader is slow, and so the socket's window closes: no queue grows. */
function readAll(response: IncomingMessage, sink: (chunk: Buffer) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  response.on("data", (chunk: Buffer) => {
    try {
      sink(chunk);
    } catch (error) {
      reject(error);
      response.destroy();
    }
  });
  response.on("end", () => (response.complete ? resolve() : reject(dropped())));
  response.on("error", reject);
  response.on("close", () => reject(dropped()));
  return promise;
}

const dropped = (cause?: unknown): TeleError => droppedError("run it again; the output is kept", cause);

/** Runs one connection after the other until one comes to its end. */
async function resuming(onRetry: () => void, connect: (progress: () => void) => Promise<void>): Promise<void> {
  let progressed = false;
  const attempts = retries(onRetry);
  for (;;) {
    try {
      await connect(() => {
        progressed = true;
        attempts.progress();
      });
      return;
    } catch (error) {
      const known = isDrop(error) ? dropped(error) : error;
      // A server that was never reached is a mistake to tell at once.
      if (!progressed) throw known;
      await attempts.again(known);
    }
  }
}
