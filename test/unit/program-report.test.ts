// What a tether writes, taken apart; and which step is to blame.
import { describe, expect, test } from "bun:test";
import { RUSAGE } from "#ffi/abi/resource.ts";
import { CLD, SIGINFO } from "#ffi/abi/wait.ts";
import {
  blame,
  decodeMessage,
  decodeRecord,
  MESSAGE,
  MESSAGE_KIND,
  RECORD,
  RECORD_MAGIC,
  RECORD_VERSION,
} from "#program/report.ts";
import { step } from "#program/step.ts";

function message(kind: number, step = 0, answer = 0): Uint8Array {
  const bytes = new Uint8Array(MESSAGE.size);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(MESSAGE.kind, BigInt(kind), true);
  view.setBigInt64(MESSAGE.step, BigInt(step), true);
  view.setBigInt64(MESSAGE.answer, BigInt(answer), true);
  return bytes;
}

interface Fields {
  readonly magic?: number;
  readonly version?: number;
  readonly code?: number;
  readonly status?: number;
}

function record({ magic = RECORD_MAGIC, version = RECORD_VERSION, code = CLD.EXITED, status = 0 }: Fields): Uint8Array {
  const bytes = new Uint8Array(RECORD.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(RECORD.magic, magic, true);
  view.setUint32(RECORD.version, version, true);
  const time = (at: number, seconds: bigint, rest: bigint): void => {
    view.setBigInt64(at, seconds, true);
    view.setBigInt64(at + 8, rest, true);
  };
  time(RECORD.start, 1_795_000_000n, 123_456_789n);
  time(RECORD.end, 1_795_000_002n, 1n);
  view.setInt32(RECORD.info + SIGINFO.code, code, true);
  view.setInt32(RECORD.info + SIGINFO.status, status, true);
  time(RECORD.usage + RUSAGE.utimeSeconds, 3n, 250_000n);
  time(RECORD.usage + RUSAGE.stimeSeconds, 0n, 7n);
  view.setBigInt64(RECORD.usage + RUSAGE.maxrss, 2048n, true);
  return bytes;
}

/** The same bytes in the middle of a larger buffer, as a pump reads them. */
function amid(bytes: Uint8Array): Uint8Array {
  const larger = new Uint8Array(bytes.length + 64).fill(0xa5);
  larger.set(bytes, 24);
  return larger.subarray(24, 24 + bytes.length);
}

describe("messages", () => {
  for (const place of [(bytes: Uint8Array) => bytes, amid]) {
    test(`are told apart ${place === amid ? "in the middle of a buffer" : "by themselves"}`, () => {
      expect(decodeMessage(place(message(MESSAGE_KIND.started, 80)))).toEqual({ kind: "started" });
      expect(decodeMessage(place(message(MESSAGE_KIND.ended, 80)))).toEqual({ kind: "ended" });
      expect(decodeMessage(place(message(MESSAGE_KIND.failed, 3, -22)))).toEqual({
        kind: "failed",
        step: 3,
        errno: 22,
      });
    });
  }

  test("that are short, empty or no tether's are none", () => {
    expect(decodeMessage(new Uint8Array())).toBeUndefined();
    expect(decodeMessage(message(MESSAGE_KIND.started).subarray(0, MESSAGE.size - 1))).toBeUndefined();
    for (const kind of [0, 4, -1, 2 ** 32 + 1]) expect(decodeMessage(message(kind))).toBeUndefined();
    expect(decodeMessage(new TextEncoder().encode("not a message of any tether"))).toBeUndefined();
  });
});

describe("records", () => {
  test("of a workload that exited", () => {
    expect(decodeRecord(amid(record({ status: 7 })))).toEqual({
      startNs: 1_795_000_000_123_456_789n,
      endNs: 1_795_000_002_000_000_001n,
      exitCode: 7,
      coreDumped: false,
      userUs: 3_250_000,
      systemUs: 7,
      maxRssBytes: 2048 * 1024,
    });
  });

  test("of a workload that a signal killed, with and without a core", () => {
    const killed = decodeRecord(record({ code: CLD.KILLED, status: 9 }));
    expect(killed).toMatchObject({ signal: 9, coreDumped: false });
    expect(killed).not.toHaveProperty("exitCode");
    expect(decodeRecord(record({ code: CLD.DUMPED, status: 11 }))).toMatchObject({ signal: 11, coreDumped: true });
  });

  test("that are empty, torn, foreign or of another version are none", () => {
    expect(decodeRecord(new Uint8Array())).toBeUndefined();
    expect(decodeRecord(record({}).subarray(0, RECORD.size - 1))).toBeUndefined();
    expect(decodeRecord(new Uint8Array(RECORD.size))).toBeUndefined();
    expect(decodeRecord(record({ magic: 0x464c457f }))).toBeUndefined();
    for (const version of [0, RECORD_VERSION + 1]) expect(decodeRecord(record({ version }))).toBeUndefined();
  });

  test("begin with TELE", () => {
    expect(new TextDecoder().decode(record({}).subarray(0, 4))).toBe("TELE");
  });
});

describe("blame", () => {
  const steps = [step("root.enter", "chdir", ["/"]), step("pivot.swap", "pivot_root", [".", "."])];

  test("names step, call and error", () => {
    expect(blame(steps, { step: 1, errno: 22 })).toEqual({ step: "pivot.swap", call: "pivot_root", errno: "EINVAL" });
    expect(blame(steps, { step: 0, errno: 13 })).toEqual({ step: "root.enter", call: "chdir", errno: "EACCES" });
  });

  test("shows an error without a name by its number", () => {
    expect(blame(steps, { step: 0, errno: 524 }).errno).toBe("errno 524");
  });

  test("refuses a step that the program has not", () => {
    expect(() => blame(steps, { step: 2, errno: 1 })).toThrow("a failure names step 2 of 2");
    expect(() => blame(steps, { step: -1, errno: 1 })).toThrow("a failure names step -1 of 2");
  });
});
