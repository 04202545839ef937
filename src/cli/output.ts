/** Writing to the caller's terminal, pipe or file: at once and in full, so that an exit loses nothing. */
import { constants, fstatSync, writeSync } from "node:fs";

/** Thrown when the reader of our stdout has gone (`tele watch … | head`): a quiet end, not a failure. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of it. Blocks while the reader is slow: that is the back-pressure a watch hands on to the server. */
export function writeAll(fd: 1 | 2, data: string | Uint8Array): void {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written, bytes.length - written);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE" && fd === 1) throw new ReaderGone();
      if (code === "EPIPE") return;
      // Somebody who shares our pipe has made it non-blocking; there is no poll(2) here, so look again in a while.
      if (code !== "EAGAIN") throw error;
      Atomics.wait(sleeper, 0, 0, 2);
    }
  }
}

/** Data for programs and people: stdout. */
export function print(text: string): void {
  writeAll(1, text);
}

/** Everything that is not data: stderr. */
export function note(text: string): void {
  writeAll(2, text);
}

/** Major number of /dev/null and its like (Documentation/admin-guide/devices.txt). */
const MEMORY_DEVICES = 1;

/** Whether it is a terminal: a character device, and not /dev/null. To load node:tty for `isatty` takes 4 ms. */
function isTerminal(fd: 1 | 2): boolean {
  try {
    const { mode, rdev } = fstatSync(fd);
    return (mode & constants.S_IFMT) === constants.S_IFCHR && ((rdev >> 8) & 0xfff) !== MEMORY_DEVICES;
  } catch {
    return false;
  }
}

/** Columns of the terminal behind stdout; undefined when there is none. */
export function terminalWidth(): number | undefined {
  if (!isTerminal(1)) return undefined;
  return process.stdout.columns || 80;
}

/** Whether colours are wanted on this descriptor: a terminal, no `NO_COLOR` (no-color.org), no dumb terminal. */
export function wantsColor(fd: 1 | 2): boolean {
  const { NO_COLOR, TERM } = process.env;
  return !NO_COLOR && TERM !== "dumb" && isTerminal(fd);
}

/** Whether stdout and stderr are one and the same file, so that keeping them apart shows nobody anything. */
export function sameSink(): boolean {
  const [out, err] = [fstatSync(1), fstatSync(2)];
  return out.dev === err.dev && out.ino === err.ino && out.rdev === err.rdev;
}
