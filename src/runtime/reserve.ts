/**
 * Room on the disk for the daemon's own needs. A job may fill the disk with its output, and then its end could not be
 * written, nor any job be deleted to make room. So a file takes up some of it beforehand, and is emptied in need.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from "node:fs";
import { TeleError } from "#errors";

/** What some hundred changes of records take in the store. */
const RESERVE_BYTES = 512 * 1024;
/** It is filled again only where so many times its size is free, or it would make the next disk full. */
const PLENTY = 4;

export interface Reserve {
  /** Does what may find the disk full, and once more with the reserve given back. */
  during<T>(work: () => T): T;
  /** Takes room again where there is enough; quick when nothing was given back. */
  refill(): void;
  close(): void;
}

/** True for the one fault that more room mends. */
export function isStorageFault(error: unknown): boolean {
  return error instanceof TeleError && error.code === "INSUFFICIENT_STORAGE";
}

/** Opens the reserve at `path` and fills it where there is room. */
export function openReserve(path: string): Reserve {
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  let full = fstatSync(file).size >= RESERVE_BYTES;
  const reserve: Reserve = {
    during(work) {
      try {
        return work();
      } catch (error) {
        if (!full || !isStorageFault(error)) throw error;
        full = false;
        ftruncateSync(file, 0);
        return work();
      }
    },
    refill() {
      if (full) return;
      const { bavail, bsize } = statfsSync(path);
      if (bavail * bsize < PLENTY * RESERVE_BYTES) return;
      try {
        writeSync(file, new Uint8Array(RESERVE_BYTES), 0, RESERVE_BYTES, 0);
        full = true;
      } catch {
        // Somebody was faster.
        ftruncateSync(file, 0);
      }
    },
    close: () => closeSync(file),
  };
  reserve.refill();
  return reserve;
}
