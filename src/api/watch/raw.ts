/** `application/octet-stream`: the bytes themselves. */
import { available, lend, readRegion, type View } from "./view.ts";

/** Sends the bytes from `from` on, until the view's end. */
export function sendBytes(view: View, from: number): Promise<void> {
  return view.wanted === "all" ? sendAll(view, from) : sendOne(view, from);
}

async function sendAll(view: View, from: number): Promise<void> {
  let at = from;
  for (;;) {
    const end = await available(view, at);
    if (end === undefined) return;
    const here = at;
    const sent = await lend(view, async (buffer) => {
      const length = await view.reader.read(buffer, Math.min(end - here, buffer.length), here);
      at += length;
      return buffer.subarray(0, length);
    });
    if (!sent) return;
  }
}

/** One of the streams: what is wanted moves together at the front of the buffer and goes out in one write. */
async function sendOne(view: View, from: number): Promise<void> {
  let at = from;
  for (;;) {
    const end = await available(view, at);
    if (end === undefined) return;
    const here = at;
    const sent = await lend(view, async (buffer) => {
      const { pieces, bytes, next } = await readRegion(view, here, end, buffer);
      at = next;
      const base = pieces[0]?.offset ?? 0;
      let filled = 0;
      for (const { offset, length } of pieces) {
        if (filled < offset - base) bytes.copyWithin(filled, offset - base, offset - base + length);
        filled += length;
      }
      return bytes.subarray(0, filled);
    });
    if (!sent) return;
  }
}
