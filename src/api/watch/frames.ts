/** NDJSON and server-sent events: each write of the job as one frame, with its offset, stream and time. */
import { isUtf8 } from "node:buffer";
import { STDOUT } from "#runtime/output-index.ts";
import { formatTime } from "#runtime/store/time.ts";
import type { EndRecord } from "#spec/job.ts";
import type { Piece } from "./reader.ts";
import { END_EVENT_ID, type WatchFormat } from "./request.ts";
import { available, lend, readRegion, type Region, type View } from "./view.ts";

/** Longest frame, in bytes of output: a line of JSON that any client can hold. */
const MAX_FRAME_BYTES = 64 * 1024;
/** Bytes of the longest UTF-8 character. */
const LONGEST_CHARACTER = 4;

/** Sends the frames from `from` on, until the view's end. */
export async function sendFrames(view: View, from: number, format: WatchFormat): Promise<void> {
  let at = from;
  for (;;) {
    const end = await available(view, at);
    if (end === undefined) return;
    const here = at;
    const sent = await lend(view, async (buffer) => {
      const region = await readRegion(view, here, end, buffer);
      const { text, next } = frame(region, format, region.next < end);
      at = next;
      return text;
    });
    if (!sent) return;
  }
}

/** The frame that carries the end record. */
export function endFrame(end: EndRecord, format: WatchFormat): string {
  const json = JSON.stringify({ end });
  return format === "sse" ? `id: ${END_EVENT_ID}\nevent: end\ndata: ${json}\n\n` : `${json}\n`;
}

/** `cut`: the region ends where our buffer did, perhaps in the middle of a character whose rest is there already. */
function frame(
  { pieces, bytes, next }: Region,
  format: WatchFormat,
  cut: boolean,
): { readonly text: string; readonly next: number } {
  const base = pieces[0]?.offset ?? 0;
  let text = "";
  let upTo = next;
  for (const [index, piece] of pieces.entries()) {
    const isCut = cut && index === pieces.length - 1 && piece.offset + piece.length === next;
    let at = piece.offset;
    const end = piece.offset + piece.length;
    while (at < end) {
      const slice = bytes.subarray(at - base, Math.min(end - at, MAX_FRAME_BYTES) + at - base);
      const length = textLength(slice);
      text += one(slice.subarray(0, length), piece, at, format);
      at += length;
      // What is left of a character goes first in the next region, together with its rest.
      if (isCut && end - at < LONGEST_CHARACTER) break;
    }
    if (isCut) upTo = at;
  }
  return { text, next: upTo };
}

function one(bytes: Buffer, piece: Piece, offset: number, format: WatchFormat): string {
  const data = isUtf8(bytes)
    ? `"data":${JSON.stringify(bytes.toString())}`
    : `"dataBase64":"${bytes.toString("base64")}"`;
  const stream = piece.stream === STDOUT ? "stdout" : "stderr";
  const json = `{"offset":${offset},"stream":"${stream}","time":"${formatTime(piece.timeNs)}",${data}}`;
  // The id is where to go on: a client that sends it back as Last-Event-ID misses nothing and gets nothing twice.
  return format === "sse" ? `id: ${offset + bytes.length}\ndata: ${json}\n\n` : `${json}\n`;
}

/**
 * How much of `bytes` makes one frame. The job's writes may cut a character in two: then its halves get frames of their
 * own, so that all the text around them stays text.
 */
function textLength(bytes: Buffer): number {
  let head = 0;
  while (head < Math.min(bytes.length, LONGEST_CHARACTER - 1) && isContinuation(bytes[head])) head++;
  return head > 0 ? head : bytes.length - openTail(bytes);
}

/** Bytes of an unfinished character at the end; 0 when there is nothing else. */
function openTail(bytes: Buffer): number {
  for (let back = 1; back < Math.min(LONGEST_CHARACTER, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    const needs = byte >= 0xf8 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? back : 0;
  }
  return 0;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
