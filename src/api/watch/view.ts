/** A watcher's view of an output: what is there, what is to come, and the way to the client. */
import { setTimeout as delay } from "node:timers/promises";
import type { Output } from "#runtime/jobs.ts";
import { abandon, giveBack, takeBuffer } from "./buffers.ts";
import { AFTER, BEFORE, type Client } from "./client.ts";
import { unrecorded, type Piece, type Reader, type Wanted } from "./reader.ts";

export interface View {
  readonly output: Output;
  readonly reader: Reader;
  readonly wanted: Wanted;
  readonly follow: boolean;
  /** First byte that is not wanted any more; Infinity for all. */
  readonly to: number;
  readonly client: Client;
}

/** Waits for a byte at `position` and resolves with the end of what is there; undefined when there will be none for us. */
export async function available(view: View, position: number): Promise<number | undefined> {
  const { output, to, follow } = view;
  const { gone } = view.client;
  for (;;) {
    if (gone.aborted || position >= to) return undefined;
    // Asked first: once it has ended, the size is final.
    const ended = output.ended();
    const size = Math.min(output.size(), to);
    if (position < size) return size;
    if (ended || !follow) return undefined;
    await output.grown(position, gone);
  }
}

/** Lends a buffer to `fill` and writes what it returns, which is a part of it or a text; false when the client is gone. */
export async function lend(view: View, fill: (buffer: Buffer) => Promise<Buffer | string>): Promise<boolean> {
  const buffer = takeBuffer();
  let written = false;
  try {
    const bytes = await fill(buffer.subarray(BEFORE, buffer.length - AFTER));
    written = bytes.length === 0 || (await view.client.write(bytes));
    return written;
  } finally {
    if (written) giveBack(buffer);
    else abandon(buffer);
  }
}

/** What one read brought: the pieces that are wanted, and their bytes. */
export interface Region {
  readonly pieces: readonly Piece[];
  /** The bytes from the first piece's first to the last one's last, what is not wanted between them included. */
  readonly bytes: Buffer;
  /** Where the next region begins. */
  readonly next: number;
}

/** Reads one buffer full of pieces between `from` and `to`. */
export async function readRegion(view: View, from: number, to: number, buffer: Buffer): Promise<Region> {
  const { reader, wanted, output } = view;
  const length = Math.min(to - from, buffer.length);
  let pieces = reader.pieces(from, length);
  if (pieces.length === 0) {
    // The data is written before its record: look again. Behind the end of the last record there are no more to come.
    if (!output.ended()) {
      await delay(RECORD_DELAY_MS);
      return { pieces: [], bytes: buffer.subarray(0, 0), next: from };
    }
    pieces = [unrecorded(from, length)];
  }
  const last = pieces.at(-1);
  const next = last ? last.offset + last.length : from;
  const chosen = wanted === "all" ? pieces : pieces.filter(({ stream }) => stream === wanted);
  const [begin, end] = [chosen[0], chosen.at(-1)];
  if (!begin || !end) return { pieces: [], bytes: buffer.subarray(0, 0), next };
  const total = end.offset + end.length - begin.offset;
  for (let filled = 0; filled < total; )
    filled += await reader.read(buffer.subarray(filled), total - filled, begin.offset + filled);
  return { pieces: chosen, bytes: buffer.subarray(0, total), next };
}

const RECORD_DELAY_MS = 5;
