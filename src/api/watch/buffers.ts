/** Buffers between the page cache and the sockets of watchers: few, reused, and bounded however many watch. */

/**
 * Large reads cost least per byte, but with many watchers each turn of the event loop sends one buffer to each of them,
 * and whoever comes new waits for that turn. Watchers that do not read keep one buffer each, so that there must be a
 * size that 4,096 of them can have.
 */
const SIZES = [
  { bytes: 256 * 1024, most: 16 },
  { bytes: 64 * 1024, most: 256 },
  { bytes: 16 * 1024, most: Infinity },
].map((size) => ({ ...size, out: 0, spare: [] as Buffer[] }));

/** Buffers of one size kept for the next one who asks. */
const MAX_SPARE = 16;

/** A buffer with old bytes in it. Give it back exactly once, by one of the two functions below. */
export function takeBuffer(): Buffer {
  for (const size of SIZES) {
    if (size.out >= size.most) continue;
    size.out++;
    return size.spare.pop() ?? Buffer.allocUnsafeSlow(size.bytes);
  }
  throw new RangeError("no size without a limit");
}

/** Gives back a buffer that nobody reads any more. */
export function giveBack(buffer: Buffer): void {
  const size = SIZES.find(({ bytes }) => bytes === buffer.length);
  if (!size) return;
  size.out--;
  if (size.spare.length < MAX_SPARE) size.spare.push(buffer);
}

/** Gives back a buffer that a dying stream may still hold: it is left to the garbage collector. */
export function abandon(buffer: Buffer): void {
  const size = SIZES.find(({ bytes }) => bytes === buffer.length);
  if (size) size.out--;
}
