/** A job's output as watchers see it: two files and how much of them is complete. */
import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Output } from "./jobs.ts";
import { planRepair, RECORD_BYTES, type IndexRepair, type ReadAt } from "./output-index.ts";

/** Where a job's output is. */
export interface OutputPaths {
  readonly dataPath: string;
  readonly indexPath: string;
}

/** The supervisor's side of an `Output`. */
export interface GrowingOutput extends Output {
  /** The pump has written up to here, data and index; sizes never fall. */
  advance(size: number, records: number): void;
  /** No byte will follow. */
  end(): void;
}

/** Files as they are when the supervisor takes over: all zero for a new job, those of a repair after a restart. */
export interface OutputStart extends OutputPaths {
  readonly size: number;
  readonly records: number;
  readonly ended: boolean;
}

interface Waiter {
  readonly beyond: number;
  readonly resolve: () => void;
}

/**
 * The output of a job that may still grow. A waiter costs one entry in a set while it waits, nothing afterwards; it is
 * woken only when there are bytes that it has not seen.
 */
export function createOutput(start: OutputStart): GrowingOutput {
  let { size, records, ended } = start;
  const waiters = new Set<Waiter>();

  const wake = (which: (waiter: Waiter) => boolean): void => {
    for (const waiter of waiters) if (which(waiter)) waiter.resolve();
  };

  return {
    dataPath: start.dataPath,
    indexPath: start.indexPath,
    size: () => size,
    records: () => records,
    ended: () => ended,
    grown: (beyond, signal) => {
      if (size > beyond || ended || signal.aborted) return Promise.resolve();
      return new Promise((done) => {
        const resolve = (): void => {
          waiters.delete(waiter);
          signal.removeEventListener("abort", resolve);
          done();
        };
        const waiter: Waiter = { beyond, resolve };
        waiters.add(waiter);
        signal.addEventListener("abort", resolve, { once: true });
      });
    },
    advance: (newSize, newRecords) => {
      if (newSize < size || newRecords < records) {
        throw new RangeError(
          `output went back from ${size} bytes to ${newSize}, or ${records} records to ${newRecords}`,
        );
      }
      size = newSize;
      records = newRecords;
      wake((waiter) => size > waiter.beyond);
    },
    end: () => {
      ended = true;
      wake(() => true);
    },
  };
}

/** The output of a closed job, from disk. Files that are not there count as empty: a job that never ran has none. */
export function closedOutput({ dataPath, indexPath }: OutputPaths): Output {
  const size = fileSize(dataPath);
  const records = Math.floor(fileSize(indexPath) / RECORD_BYTES);
  return {
    dataPath,
    indexPath,
    size: () => size,
    records: () => records,
    ended: () => true,
    grown: () => Promise.resolve(),
  };
}

/** `ReadAt` over an open file. */
export function readAtOf(descriptor: number): ReadAt {
  return (target, position) => {
    let got = 0;
    while (got < target.length) {
      const n = readSync(descriptor, target, got, target.length - got, position + got);
      if (n === 0) break;
      got += n;
    }
    return got;
  };
}

/** What a repair left: where the pump goes on. */
export interface Repaired {
  readonly size: number;
  readonly records: number;
  /** Bytes that the index could not tell the stream of; see `planRepair`. */
  readonly synthesizedBytes: number;
}

/**
 * Makes the index fit the data after the writer died; nobody may write to either meanwhile. Changes nothing when they
 * fit, so it can run again after a crash of its own. Creates an index where none is; where not even the job's directory
 * is, there is nothing to repair and no output.
 */
export function repairOutput({ dataPath, indexPath }: OutputPaths): Repaired {
  const data = statSync(dataPath, { bigint: true, throwIfNoEntry: false });
  const dataSize = Number(data?.size ?? 0);
  if (!data && !existsSync(dirname(indexPath))) return { size: 0, records: 0, synthesizedBytes: 0 };
  const index = openSync(indexPath, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    const indexSize = fstatSync(index).size;
    const repair = planRepair({ dataSize, dataTimeNs: data?.mtimeNs ?? 0n, indexSize, readAt: readAtOf(index) });
    if (repair.truncateTo !== indexSize || repair.append.length > 0) apply(index, repair);
    return { size: dataSize, records: repair.records, synthesizedBytes: repair.synthesizedBytes };
  } finally {
    closeSync(index);
  }
}

function apply(index: number, { truncateTo, append }: IndexRepair): void {
  ftruncateSync(index, truncateTo);
  let written = 0;
  while (written < append.length) {
    written += writeSync(index, append, written, append.length - written, truncateTo + written);
  }
  fdatasyncSync(index);
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
