import { describe, expect, test } from "bun:test";
import {
  decodeRecord,
  encodeRecord,
  findByOffset,
  findByTime,
  planRepair,
  readRecord,
  RECORD_BYTES,
  STDERR,
  STDOUT,
  type IndexRecord,
  type OutputStream,
  type ReadAt,
} from "#runtime/output-index.ts";

function bytesOf(records: readonly IndexRecord[]): Uint8Array {
  const bytes = new Uint8Array(records.length * RECORD_BYTES);
  records.forEach((r, i) => encodeRecord(bytes, i * RECORD_BYTES, r.offset, r.length, r.stream, r.timeNs));
  return bytes;
}

function readAtBytes(bytes: Uint8Array): ReadAt {
  return (target, position) => {
    const part = bytes.subarray(position, position + target.length);
    target.set(part);
    return part.length;
  };
}

/** Records back to back with these lengths; record i has time 1000 * (i + 1), every third is stderr. */
function chain(...lengths: number[]): IndexRecord[] {
  let offset = 0;
  return lengths.map((length, i) => {
    const stream: OutputStream = i % 3 === 2 ? STDERR : STDOUT;
    const record = { offset, length, stream, timeNs: BigInt(1000 * (i + 1)) };
    offset += length;
    return record;
  });
}

/** Does what the plan says and reads the records back. */
function repaired(index: Uint8Array, dataSize: number, dataTimeNs = 99_000n) {
  const plan = planRepair({ dataSize, dataTimeNs, indexSize: index.length, readAt: readAtBytes(index) });
  const kept = index.subarray(0, plan.truncateTo);
  const result = new Uint8Array(kept.length + plan.append.length);
  result.set(kept);
  result.set(plan.append, kept.length);
  const records: IndexRecord[] = [];
  for (let i = 0; i < plan.records; i++) {
    const record = readRecord(readAtBytes(result), i);
    if (record) records.push(record);
  }
  expect(result.length).toBe(plan.records * RECORD_BYTES);
  expect(records.length).toBe(plan.records);
  let end = 0;
  for (const record of records) {
    expect(record.offset).toBe(end);
    end += record.length;
  }
  expect(end).toBe(dataSize);
  return { plan, records, bytes: result };
}

describe("a record", () => {
  test("is 24 bytes, little-endian, at the offsets of the format", () => {
    const bytes = new Uint8Array(30).fill(0xee);
    encodeRecord(bytes, 3, 0x1_0203_0405, 0xa0b0c0d0, STDERR, 0x1122_3344_5566_7788n);
    expect(Buffer.from(bytes).toString("hex")).toBe(
      ["eeeeee", "0504030201000000", "d0c0b0a0", "02000000", "8877665544332211", "eeeeee"].join(""),
    );
    expect(decodeRecord(bytes, 3)).toEqual({
      offset: 0x1_0203_0405,
      length: 0xa0b0c0d0,
      stream: STDERR,
      timeNs: 0x1122_3344_5566_7788n,
    });
  });

  test("that no pump can have written is none", () => {
    const good = bytesOf(chain(10));
    expect(decodeRecord(good, 0)).toBeDefined();
    expect(decodeRecord(new Uint8Array(RECORD_BYTES), 0)).toBeUndefined();
    for (const [at, value] of [
      [7, 0xff],
      [12, 3],
      [13, 1],
    ] as const) {
      const bad = good.slice();
      bad[at] = value;
      expect(decodeRecord(bad, 0)).toBeUndefined();
    }
  });

  test("past the end of the file is none", () => {
    const bytes = bytesOf(chain(10, 20));
    expect(readRecord(readAtBytes(bytes), 1)?.offset).toBe(10);
    expect(readRecord(readAtBytes(bytes), 2)).toBeUndefined();
    expect(readRecord(readAtBytes(bytes.subarray(0, 40)), 1)).toBeUndefined();
  });
});

describe("search", () => {
  const lengths = Array.from({ length: 1000 }, (_, i) => (i % 7) + 1);
  const records = chain(...lengths);
  const readAt = readAtBytes(bytesOf(records));

  test("by offset finds the record that holds the byte, for every byte", () => {
    for (const [number, record] of records.entries()) {
      expect(findByOffset(readAt, records.length, record.offset)).toBe(number);
      expect(findByOffset(readAt, records.length, record.offset + record.length - 1)).toBe(number);
    }
    const end = lengths.reduce((a, b) => a + b);
    expect(findByOffset(readAt, records.length, end)).toBe(1000);
    expect(findByOffset(readAt, 0, 0)).toBe(0);
  });

  test("by time finds the first record not before it", () => {
    expect(findByTime(readAt, 1000, 0n)).toBe(0);
    expect(findByTime(readAt, 1000, 5000n)).toBe(4);
    expect(findByTime(readAt, 1000, 5001n)).toBe(5);
    expect(findByTime(readAt, 1000, 10n ** 18n)).toBe(1000);
  });

  test("reads no more than the logarithm of the records", () => {
    let reads = 0;
    const counting: ReadAt = (target, position) => (reads++, readAt(target, position));
    findByOffset(counting, 1000, 2222);
    expect(reads).toBeLessThanOrEqual(10);
  });
});

describe("repair after a crash", () => {
  test("of files that fit changes nothing", () => {
    const index = bytesOf(chain(5, 6, 7));
    const { plan } = repaired(index, 18);
    expect(plan).toEqual({ truncateTo: index.length, append: new Uint8Array(0), records: 3, synthesizedBytes: 0 });
  });

  test("of nothing is nothing", () => {
    expect(repaired(new Uint8Array(0), 0).plan.records).toBe(0);
  });

  test("covers data without a record: standard output, at the time of the last append", () => {
    const { records, plan } = repaired(bytesOf(chain(5, 6)), 20, 77_000n);
    expect(records[2]).toEqual({ offset: 11, length: 9, stream: STDOUT, timeNs: 77_000n });
    expect(plan.synthesizedBytes).toBe(9);
  });

  test("never lets time fall, so that search by time stays right", () => {
    const { records } = repaired(bytesOf(chain(5, 6)), 20, 1n);
    expect(records[2]?.timeNs).toBe(2000n);
  });

  test("replaces a record torn at every byte", () => {
    const index = bytesOf(chain(5, 6, 7));
    for (let torn = 1; torn < RECORD_BYTES; torn++) {
      const { records, plan } = repaired(index.subarray(0, 2 * RECORD_BYTES + torn), 18);
      expect(plan.truncateTo).toBe(2 * RECORD_BYTES);
      expect(records[2]).toEqual({ offset: 11, length: 7, stream: STDOUT, timeNs: 99_000n });
    }
  });

  test("cuts records beyond the data and shortens the one across its end", () => {
    const index = bytesOf(chain(5, 6, 7, 8));
    expect(repaired(index, 11).records).toEqual(chain(5, 6));
    const { records, plan } = repaired(index, 14);
    expect(records[2]).toEqual({ offset: 11, length: 3, stream: STDERR, timeNs: 3000n });
    expect(plan.synthesizedBytes).toBe(0);
    expect(repaired(index, 0).plan.truncateTo).toBe(0);
  });

  test("cuts at the first record that does not continue the chain, and covers the rest", () => {
    const index = bytesOf(chain(5, 6, 7, 8));
    index.fill(0, RECORD_BYTES, 2 * RECORD_BYTES);
    const { records, plan } = repaired(index, 26);
    expect(plan.truncateTo).toBe(RECORD_BYTES);
    expect(records).toHaveLength(2);
    expect(plan.synthesizedBytes).toBe(21);
  });

  test("needs several records for more bytes than one can tell of", () => {
    const { records } = repaired(new Uint8Array(0), 10 * 2 ** 30);
    expect(records.map((r) => r.length)).toEqual([0xffff_ffff, 0xffff_ffff, 10 * 2 ** 30 - 2 * 0xffff_ffff]);
  });

  test("is stable: repaired files need no repair", () => {
    const index = bytesOf(chain(...Array.from({ length: 5000 }, () => 3)));
    for (const [indexSize, dataSize] of [
      [index.length, 15_000],
      [index.length - 5, 15_000],
      [index.length, 7_000],
      [index.length, 20_000],
      [49_152, 15_000],
    ] as const) {
      const once = repaired(index.subarray(0, indexSize), dataSize);
      const twice = repaired(once.bytes, dataSize);
      expect(twice.plan.append.length).toBe(0);
      expect(twice.plan.truncateTo).toBe(once.bytes.length);
      expect(twice.plan.synthesizedBytes).toBe(0);
    }
  });
});
