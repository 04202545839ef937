/** Buffers between the page cache and the sockets of watchers: few, reused, and bounded however many watch. */

/** What a watcher gets while there is plenty: large reads cost less per byte. */
const LARGE_BYTES = 256 * 1024;
/** What it gets when others hold the budget: watchers that do not read keep one buffer each. */
const SMALL_BYTES = 16 * 1024;
/** Bytes of large buffers that may be out at once. */
const LARGE_BUDGET = 24 * 2 ** 20;
/** Buffers kept for the next one who asks. */
const MAX_SPARE = 16;

const spare: Buffer[] = [];
let largeOut = 0;

/** A buffer with old bytes in it. Give it back exactly once, by one of the two functions below. */
export function takeBuffer(): Buffer {
  if (largeOut * LARGE_BYTES >= LARGE_BUDGET) return Buffer.allocUnsafeSlow(SMALL_BYTES);
  largeOut++;
  return spare.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
}

/** Gives back a buffer that nobody reads any more. */
export function giveBack(buffer: Buffer): void {
  abandon(buffer);
  if (buffer.length === LARGE_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
}

/** Gives back a buffer that a dying stream may still hold: it is left to the garbage collector. */
export function abandon(buffer: Buffer): void {
  if (buffer.length === LARGE_BYTES) largeOut--;
}
