/**
 * The index of a job's output: fixed records beside the raw data file, each for one append of the pump.
 *
 *     0   u64le  offset in the data file
 *     8   u32le  length in bytes, never zero
 *     12  u8     stream
 *     13         three zero bytes
 *     16  u64le  nanoseconds since the epoch
 *
 * Records lie back to back: each begins where the one before ends. The writer appends data first and the record after
 * it, and never lets `timeNs` fall below the record before (the clock may be set back), so both columns can be searched.
 */

/** Size of one record. */
export const RECORD_BYTES = 24;
/** `stream` of standard output, and of everything that comes from a terminal. */
export const STDOUT = 1;
/** `stream` of standard error. */
export const STDERR = 2;
/** Most bytes that one record can tell of. */
export const MAX_RECORD_LENGTH = 0xffff_ffff;

export type OutputStream = typeof STDOUT | typeof STDERR;

export interface IndexRecord {
  readonly offset: number;
  readonly length: number;
  readonly stream: OutputStream;
  readonly timeNs: bigint;
}

/** Fills `target` from byte `position` of the index file and returns how many bytes there were, like pread(2). */
export type ReadAt = (target: Uint8Array, position: number) => number;

/** Writes one record into `target` at byte `at`; `target` must have RECORD_BYTES of room there. */
export function encodeRecord(
  target: Uint8Array,
  at: number,
  offset: number,
  length: number,
  stream: OutputStream,
  timeNs: bigint,
): void {
  const view = new DataView(target.buffer, target.byteOffset + at, RECORD_BYTES);
  // Two halves instead of a BigInt: the pump calls this for each read.
  view.setUint32(0, offset >>> 0, true);
  view.setUint32(4, Math.floor(offset / 2 ** 32), true);
  view.setUint32(8, length, true);
  view.setUint32(12, stream, true);
  view.setBigUint64(16, timeNs, true);
}

/** The record at byte `at` of `source`; undefined when no writer of ours can have made it (zeros after a power cut). */
export function decodeRecord(source: Uint8Array, at: number): IndexRecord | undefined {
  const view = new DataView(source.buffer, source.byteOffset + at, RECORD_BYTES);
  const offset = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  const length = view.getUint32(8, true);
  const stream = view.getUint32(12, true);
  if (length === 0 || !Number.isSafeInteger(offset) || (stream !== STDOUT && stream !== STDERR)) return undefined;
  return { offset, length, stream, timeNs: view.getBigUint64(16, true) };
}

/** Record number `number`; undefined when it is not there or not whole. */
export function readRecord(readAt: ReadAt, number: number): IndexRecord | undefined {
  const bytes = new Uint8Array(RECORD_BYTES);
  if (readAt(bytes, number * RECORD_BYTES) < RECORD_BYTES) return undefined;
  return decodeRecord(bytes, 0);
}

/** Number of the first record that reaches beyond byte `offset` of the data; `records` when there is none yet. */
export function findByOffset(readAt: ReadAt, records: number, offset: number): number {
  return firstWhere(readAt, records, (record) => record.offset + record.length > offset);
}

/** Number of the first record made at or after `timeNs`; `records` when there is none yet. */
export function findByTime(readAt: ReadAt, records: number, timeNs: bigint): number {
  return firstWhere(readAt, records, (record) => record.timeNs >= timeNs);
}

function firstWhere(readAt: ReadAt, records: number, holds: (record: IndexRecord) => boolean): number {
  let low = 0;
  let high = records;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const record = readRecord(readAt, middle);
    // A record that cannot be read counts as "beyond": the search then ends at or before it, never past it.
    if (record === undefined || holds(record)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What to do to an index file so that its records cover every byte of the data, each once. */
export interface IndexRepair {
  /** Cut the index file to this many bytes … */
  readonly truncateTo: number;
  /** … then append these. Empty when nothing is missing. */
  readonly append: Uint8Array;
  /** Records there are afterwards. */
  readonly records: number;
  /** Data bytes for which stream and time were not on record. */
  readonly synthesizedBytes: number;
}

/** What is known of a job's two files after a crash. */
export interface Found {
  readonly dataSize: number;
  /** When the data file was last appended to. */
  readonly dataTimeNs: bigint;
  readonly indexSize: number;
  readonly readAt: ReadAt;
}

/**
 * Plans the repair after the writer died. The data is the truth and is never cut:
 * - a torn last record, and everything from the first record on that does not continue the one before (a power cut may
 *   leave pages of zeros), goes;
 * - records past the end of the data go, one that straddles it is shortened: those bytes never reached the disk;
 * - bytes without a record get one of stream `STDOUT`: which pipe they came from died with the writer, and a job's
 *   `stream=stdout` must rather show a line too many than none. Its time is that of the last append, which is when the
 *   newest of these bytes was written, but not before the record ahead of it, or search by time would break.
 */
export function planRepair(found: Found): IndexRepair {
  const good = scan(found);
  const pending: IndexRecord[] = [];
  if (good.cut) pending.push(good.cut);
  let end = good.end;
  const timeNs = found.dataTimeNs > good.timeNs ? found.dataTimeNs : good.timeNs;
  const synthesizedBytes = found.dataSize - end;
  while (end < found.dataSize) {
    const length = Math.min(found.dataSize - end, MAX_RECORD_LENGTH);
    pending.push({ offset: end, length, stream: STDOUT, timeNs });
    end += length;
  }
  const append = new Uint8Array(pending.length * RECORD_BYTES);
  pending.forEach((r, i) => encodeRecord(append, i * RECORD_BYTES, r.offset, r.length, r.stream, r.timeNs));
  return {
    truncateTo: good.records * RECORD_BYTES,
    append,
    records: good.records + pending.length,
    synthesizedBytes,
  };
}

interface Good {
  readonly records: number;
  /** Data bytes that these records, and `cut`, tell of. */
  readonly end: number;
  readonly timeNs: bigint;
  /** The record that straddled the end of the data, shortened. */
  readonly cut?: IndexRecord;
}

const SCAN_RECORDS = 2048;

function scan({ dataSize, indexSize, readAt }: Found): Good {
  const total = Math.floor(indexSize / RECORD_BYTES);
  const chunk = new Uint8Array(SCAN_RECORDS * RECORD_BYTES);
  let end = 0;
  let timeNs = 0n;
  for (let first = 0; first < total; first += SCAN_RECORDS) {
    const whole = Math.min(total - first, SCAN_RECORDS);
    const got = Math.floor(readAt(chunk.subarray(0, whole * RECORD_BYTES), first * RECORD_BYTES) / RECORD_BYTES);
    for (let i = 0; i < got; i++) {
      const record = decodeRecord(chunk, i * RECORD_BYTES);
      if (record?.offset !== end || end >= dataSize) return { records: first + i, end, timeNs };
      if (record.timeNs > timeNs) timeNs = record.timeNs;
      if (end + record.length > dataSize) {
        return { records: first + i, end: dataSize, timeNs, cut: { ...record, length: dataSize - end } };
      }
      end += record.length;
    }
    if (got < whole) return { records: first + got, end, timeNs };
  }
  return { records: total, end, timeNs };
}
