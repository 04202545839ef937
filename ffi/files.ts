/** Small files by system calls: where the time of a start counts, since the runtime's own module takes milliseconds to load. */
import { ERRNO } from "./abi/errno.ts";
import { AT, O } from "./abi/fcntl.ts";
import { OPEN_HOW_SIZE, openHow, RESOLVE } from "./abi/openat2.ts";
import { call, must, type Scratch, scratch, SystemError } from "./call.ts";

/** The longest path (PATH_MAX) and what is read or written at once. */
const PIECE = 32 * 1024;
const SIZE = 2 * PIECE + 4096;

let arena: Scratch | undefined;

function memory(): Scratch {
  arena ??= scratch(SIZE);
  arena.reset();
  return arena;
}

/** Opens a file, close-on-exec; the descriptor is for close(2). Throws SystemError. */
export function openFile(path: string, flags: number, mode = 0): number {
  return must("openat", AT.FDCWD, memory().text(path), flags | O.CLOEXEC, mode);
}

/**
 * Opens a file of a directory, close-on-exec, and no link of that name; the answer is the kernel's, so negative where it
 * failed. The descriptor is for close(2).
 */
export function openBelow(directory: string, name: string, flags: number, mode = 0): number {
  const room = memory();
  const folder = call("openat", AT.FDCWD, room.text(directory), O.PATH | O.CLOEXEC);
  if (folder < 0) return folder;
  const how = room.bytes(openHow(flags | O.CLOEXEC, RESOLVE.NO_SYMLINKS, mode));
  const fd = call("openat2", folder, room.text(name), how, OPEN_HOW_SIZE);
  call("close", folder);
  return fd;
}

/** Everything that is read from a descriptor from where it is. Throws SystemError. */
export function readDescriptor(fd: number): Uint8Array {
  const parts: Uint8Array[] = [];
  const { address, bytes } = memory().room(PIECE);
  for (;;) {
    const count = must("read", fd, address, PIECE);
    if (count === 0) return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    parts.push(bytes.slice(0, count));
  }
}

/** A whole file; undefined where there is none. Throws SystemError. */
export function readBytes(path: string): Uint8Array | undefined {
  const fd = call("openat", AT.FDCWD, memory().text(path), O.RDONLY | O.CLOEXEC);
  if (fd === -ERRNO.ENOENT || fd === -ERRNO.ENOTDIR) return undefined;
  if (fd < 0) throw new SystemError("openat", -fd);
  try {
    return readDescriptor(fd);
  } finally {
    call("close", fd);
  }
}

/** A whole text file; empty where there is none. Throws SystemError. */
export function readText(path: string): string {
  return new TextDecoder().decode(readBytes(path));
}

/** Writes all of it. Throws SystemError. */
export function writeDescriptor(fd: number, data: Uint8Array): void {
  for (let written = 0; written < data.length; ) {
    const piece = data.subarray(written, written + PIECE);
    written += must("write", fd, memory().bytes(piece), piece.length);
  }
}

/** Writes into a file that is there, in one write(2) as kernel files want it. Throws SystemError. */
export function writeText(path: string, text: string): void {
  const fd = openFile(path, O.WRONLY);
  try {
    const bytes = Buffer.from(text);
    must("write", fd, memory().bytes(bytes), bytes.length);
  } finally {
    call("close", fd);
  }
}

/** Where a symbolic link leads; empty where it cannot be read. */
export function readLink(path: string): string {
  const room = memory();
  const at = room.text(path);
  const { address, bytes } = room.room(4096);
  const length = call("readlinkat", AT.FDCWD, at, address, bytes.length);
  return length < 0 ? "" : new TextDecoder().decode(bytes.subarray(0, length));
}

/** Makes a directory for its owner alone; one that is there is as good. The errno, negative, when it cannot. */
export function makePrivateDirectory(path: string): number {
  const answer = call("mkdirat", AT.FDCWD, memory().text(path), 0o700);
  return answer === -ERRNO.EEXIST ? 0 : answer;
}
