/** Where in the output a watch begins. */
import type { Output } from "#runtime/jobs.ts";
import { giveBack, takeBuffer } from "./buffers.ts";
import type { Reader, Wanted } from "./reader.ts";
import type { WatchPlan } from "./request.ts";

/** Offset of the first byte to look at: the furthest of what `offset`, `since` and `tail` say, as docker has it. */
export async function startOffset(output: Output, reader: Reader, plan: WatchPlan): Promise<number> {
  let start = plan.offset ?? 0;
  if (plan.sinceNs !== undefined) start = Math.max(start, reader.offsetAt(plan.sinceNs));
  if (plan.tail !== undefined) start = Math.max(start, await tailOffset(output, reader, plan.wanted, plan.tail));
  return start;
}

const NEWLINE = 10;

/** Offset from which on there are `lines` lines of a stream; a last line without its newline counts. */
async function tailOffset(output: Output, reader: Reader, wanted: Wanted, lines: number): Promise<number> {
  const size = output.size();
  if (lines === 0 || size === 0) return size;
  let missing = lines;
  // The newline that ends the last line begins no other one.
  let isLastByte = true;
  const buffer = takeBuffer();
  try {
    for (const [from, to] of backwards(size, reader, wanted, buffer.length)) {
      const bytes = buffer.subarray(0, await readFully(reader, buffer, from, to));
      let at = bytes.length - 1;
      if (isLastByte && bytes[at] === NEWLINE) at--;
      isLastByte = false;
      while (at >= 0) {
        at = bytes.lastIndexOf(NEWLINE, at);
        if (at === -1) break;
        if (--missing === 0) return from + at + 1;
        at--;
      }
    }
    return 0;
  } finally {
    giveBack(buffer);
  }
}

/** Ranges of a stream's bytes from the end to the beginning, none longer than `most`. */
function* backwards(size: number, reader: Reader, wanted: Wanted, most: number): Iterable<[number, number]> {
  if (wanted === "all") {
    yield* slicesBackwards(0, size, most);
    return;
  }
  for (const records of reader.backwards())
    for (const { offset, length, stream } of records)
      if (stream === wanted) yield* slicesBackwards(offset, offset + length, most);
}

function* slicesBackwards(from: number, to: number, most: number): Iterable<[number, number]> {
  for (let end = to; end > from; end -= most) yield [Math.max(from, end - most), end];
}

async function readFully(reader: Reader, buffer: Buffer, from: number, to: number): Promise<number> {
  let filled = 0;
  while (filled < to - from) filled += await reader.read(buffer.subarray(filled), to - from - filled, from + filled);
  return filled;
}
