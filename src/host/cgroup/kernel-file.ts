/** Small files of the kernel: one read, one write, and the errno when it refuses. */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { O } from "#ffi/abi/fcntl.ts";

/** Grows to the longest file met: `io.stat` and `cgroup.procs` have no bound. */
let buffer = Buffer.allocUnsafe(16_384);

/** Name of the kernel's error, such as `EBUSY`; `EIO` where the runtime gave none. */
export function errnoOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === "string" ? code : "EIO";
}

/** The whole text of a file, undefined when it cannot be read. Costs no memory that stays, unlike an open descriptor. */
export function readKernelFile(path: string): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, O.RDONLY | O.CLOEXEC);
    let length = 0;
    for (;;) {
      if (length === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.toString("latin1", 0, length);
      length += count;
    }
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Writes in one write(2), as kernel files want it; the errno's name when it is refused. Never creates a file. */
export function writeKernelFile(path: string, value: string): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, O.WRONLY | O.CLOEXEC);
    writeSync(descriptor, value);
    return undefined;
  } catch (error) {
    return errnoOf(error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** A descriptor of a directory, for `CLONE_INTO_CGROUP`. The caller closes it. */
export function openDirectory(path: string): number {
  return openSync(path, O.RDONLY | constants.O_DIRECTORY | O.CLOEXEC);
}

/** A descriptor to write to; the caller closes it. */
export function openForWriting(path: string): number {
  return openSync(path, O.WRONLY | O.CLOEXEC);
}
