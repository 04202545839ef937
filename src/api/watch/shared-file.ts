/** Files that many watchers read: one descriptor each, however many there are. */
import { closeSync, fstatSync, openSync, read, readSync } from "node:fs";

/** A file opened for reading at any position. */
export interface SharedFile {
  /** Resolves with the number of bytes read into `target`. */
  read(target: Uint8Array, length: number, position: number): Promise<number>;
  /** The same at once: for a few bytes that are surely in the page cache. */
  readNow(target: Uint8Array, position: number): number;
  /** To be called once by each who opened it. */
  close(): void;
}

interface Open {
  readonly fd: number;
  holders: number;
}

/** By device and inode: a path may name another file by now (a job that was removed and started again). */
const opened = new Map<string, Open>();

/** Opens a file, or shares it with those who have it open. Throws what open(2) says. */
export function openShared(path: string): SharedFile {
  const fd = openSync(path, "r");
  const { dev, ino } = fstatSync(fd);
  const key = `${dev}:${ino}`;
  const known = opened.get(key);
  if (known) closeSync(fd);
  const file = known ?? { fd, holders: 0 };
  file.holders++;
  opened.set(key, file);
  return {
    read: (target, length, position) =>
      new Promise((resolve, reject) => {
        // A read in flight holds the file: the number of a closed descriptor soon belongs to another file.
        file.holders++;
        read(file.fd, target, 0, length, position, (error, bytes) => {
          release(key, file);
          if (error) reject(error);
          else resolve(bytes);
        });
      }),
    readNow: (target, position) => readSync(file.fd, target, 0, target.length, position),
    close: () => release(key, file),
  };
}

function release(key: string, file: Open): void {
  if (--file.holders > 0) return;
  opened.delete(key);
  closeSync(file.fd);
}
