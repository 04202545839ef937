/** A job's output as a watcher reads it: bytes of the data file, and which stream each of them came from. */
import { TeleError } from "#errors";
import type { Output } from "#runtime/jobs.ts";
import { decodeRecord, findByOffset, findByTime, readRecord, RECORD_BYTES, STDOUT } from "#runtime/output-index.ts";
import type { IndexRecord, OutputStream } from "#runtime/output-index.ts";
import { openShared, type SharedFile } from "./shared-file.ts";

/** Which of a job's streams a watcher wants. */
export type Wanted = "all" | OutputStream;

/** A run of bytes of one stream, written at once. */
export type Piece = IndexRecord;

export interface Reader {
  /** Reads data at `position`, as much as there is up to `length`. */
  read(target: Uint8Array, length: number, position: number): Promise<number>;
  /** Pieces from `position` on, as many as fit into `length` bytes; one that alone does not fit is cut. */
  pieces(position: number, length: number): Piece[];
  /** Records in reverse order from the last one, in batches. */
  backwards(): Iterable<readonly IndexRecord[]>;
  /** Offset of the first byte written at or after this time; the size when there is none yet. */
  offsetAt(timeNs: bigint): number;
  close(): void;
}

const BATCH_RECORDS = 1024;

/** Opens the files of an output when they are first needed. */
export function openReader(output: Output): Reader {
  let data: SharedFile | undefined;
  let index: SharedFile | undefined;
  /** Where `pieces` went on last time: watchers go forward, so it is nearly always right. */
  let hint = { position: 0, record: 0 };
  let ahead: { readonly first: number; readonly records: readonly IndexRecord[] } = { first: 0, records: [] };

  const readIndex = (target: Uint8Array, position: number): number => {
    index ??= open(output.indexPath);
    return index.readNow(target, position);
  };

  function recordAt(position: number): number {
    return hint.position === position ? hint.record : findByOffset(readIndex, output.records(), position);
  }

  /** Records from number `first` on: many at once, since whoever wants one wants the next ones too. */
  function recordsFrom(first: number, total: number): readonly IndexRecord[] {
    const end = ahead.first + ahead.records.length;
    if (first < ahead.first || first >= end)
      ahead = { first, records: batch(first, Math.min(total - first, BATCH_RECORDS)) };
    return first === ahead.first ? ahead.records : ahead.records.slice(first - ahead.first);
  }

  function batch(first: number, count: number): IndexRecord[] {
    const bytes = new Uint8Array(count * RECORD_BYTES);
    const got = Math.floor(readIndex(bytes, first * RECORD_BYTES) / RECORD_BYTES);
    const records: IndexRecord[] = [];
    for (let i = 0; i < got; i++) {
      const record = decodeRecord(bytes, i * RECORD_BYTES);
      if (!record) break;
      records.push(record);
    }
    return records;
  }

  return {
    async read(target, length, position) {
      data ??= open(output.dataPath);
      const got = await data.read(target, length, position);
      if (got > 0) return got;
      throw new TeleError("INTERNAL", { detail: "the output file is shorter than it should be" });
    },
    pieces(position, length) {
      const end = position + length;
      const total = output.records();
      const pieces: Piece[] = [];
      let record = recordAt(position);
      let at = position;
      while (at < end && record < total) {
        const records = recordsFrom(record, total);
        if (records.length === 0) break;
        for (const one of records) {
          if (one.offset + one.length > end && pieces.length > 0) return settle();
          const upTo = Math.min(one.offset + one.length, end);
          if (upTo > at) pieces.push({ ...one, offset: at, length: upTo - at });
          at = Math.max(at, upTo);
          if (upTo < one.offset + one.length) return settle();
          record++;
          if (at >= end) return settle();
        }
      }
      return settle();

      function settle(): Piece[] {
        hint = { position: at, record };
        return pieces;
      }
    },
    *backwards() {
      for (let end = output.records(); end > 0; end -= BATCH_RECORDS) {
        const first = Math.max(0, end - BATCH_RECORDS);
        yield batch(first, end - first).reverse();
      }
    },
    offsetAt(timeNs) {
      const found = findByTime(readIndex, output.records(), timeNs);
      return readRecord(readIndex, found)?.offset ?? output.size();
    },
    close() {
      data?.close();
      index?.close();
    },
  };
}

function open(path: string): SharedFile {
  try {
    return openShared(path);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? "";
    if (errno === "EMFILE" || errno === "ENFILE")
      throw new TeleError("UNAVAILABLE", {
        detail: "too many open files",
        errno,
        hint: "raise the daemon's limit of open files",
      });
    throw new TeleError("INTERNAL", { detail: "the job's output cannot be read", errno });
  }
}

/** A piece for bytes that no record tells of: rather shown as stdout than not at all. */
export function unrecorded(offset: number, length: number): Piece {
  return { offset, length, stream: STDOUT, timeNs: 0n };
}
