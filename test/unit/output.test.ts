import { afterEach, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeRecord, findByOffset, readRecord, RECORD_BYTES, STDERR, STDOUT } from "#runtime/output-index.ts";
import { closedOutput, createOutput, readAtOf, repairOutput } from "#runtime/output.ts";

const forever = new AbortController().signal;
const fresh = () => createOutput({ dataPath: "/data", indexPath: "/index", size: 0, records: 0, ended: false });

/** True once the promise has settled, looked at after all that could settle it in this turn has run. */
async function settled(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

describe("growing output", () => {
  test("wakes a watcher only when there are bytes that it has not seen", async () => {
    const output = fresh();
    const waiting = output.grown(10, forever);
    output.advance(10, 1);
    expect(await settled(waiting)).toBe(false);
    output.advance(11, 2);
    expect(await settled(waiting)).toBe(true);
    expect([output.size(), output.records(), output.ended()]).toEqual([11, 2, false]);
  });

  test("does not let a watcher wait for bytes that are there", async () => {
    const output = fresh();
    output.advance(11, 2);
    expect(await settled(output.grown(10, forever))).toBe(true);
  });

  test("wakes everybody at the end, and nobody waits after it", async () => {
    const output = fresh();
    const waiting = [output.grown(0, forever), output.grown(1e9, forever)];
    output.end();
    expect(await Promise.all(waiting.map(settled))).toEqual([true, true]);
    expect(await settled(output.grown(1e9, forever))).toBe(true);
    expect(output.ended()).toBe(true);
  });

  test("lets go of a watcher that went away, without a rejection", async () => {
    const output = fresh();
    const gone = new AbortController();
    const waiting = output.grown(0, gone.signal);
    expect(await settled(waiting)).toBe(false);
    gone.abort(new Error("client left"));
    expect(await settled(waiting)).toBe(true);
    expect(await settled(output.grown(0, gone.signal))).toBe(true);
  });

  test("brings 100 watchers with a signal each to the same end over 2,000 steps", async () => {
    const output = fresh();
    const watch = async (): Promise<number> => {
      const { signal } = new AbortController();
      let seen = 0;
      while (!output.ended() || seen < output.size()) {
        await output.grown(seen, signal);
        expect(output.size() > seen || output.ended()).toBe(true);
        seen = output.size();
      }
      return seen;
    };
    const watchers = Array.from({ length: 100 }, watch);
    for (let step = 1; step <= 2000; step++) {
      output.advance(step * 100, step);
      await Promise.resolve();
    }
    output.end();
    expect(new Set(await Promise.all(watchers))).toEqual(new Set([200_000]));
  });

  test("refuses to shrink", () => {
    const output = fresh();
    output.advance(10, 1);
    expect(() => output.advance(9, 1)).toThrow("went back from 10 bytes to 9");
  });
});

describe("output on disk", () => {
  const made: string[] = [];
  afterEach(() => {
    for (const directory of made.splice(0)) rmSync(directory, { recursive: true });
  });

  /** Files with this data and an index whose records have these lengths, every second of stderr. */
  function files(data: string, lengths: readonly number[]) {
    const directory = mkdtempSync(join(tmpdir(), "tele-output-"));
    made.push(directory);
    const paths = { dataPath: join(directory, "data"), indexPath: join(directory, "index") };
    const index = new Uint8Array(lengths.length * RECORD_BYTES);
    let offset = 0;
    lengths.forEach((length, i) => {
      encodeRecord(index, i * RECORD_BYTES, offset, length, i % 2 ? STDERR : STDOUT, BigInt(i + 1));
      offset += length;
    });
    writeFileSync(paths.dataPath, data);
    writeFileSync(paths.indexPath, index);
    return paths;
  }

  test("of a closed job has the sizes of its files and never grows", async () => {
    const output = closedOutput(files("hello tele", [5, 5]));
    expect([output.size(), output.records(), output.ended()]).toEqual([10, 2, true]);
    expect(await settled(output.grown(1e9, forever))).toBe(true);
  });

  test("of a job that never ran is empty", () => {
    const output = closedOutput({ dataPath: "/nonexistent/data", indexPath: "/nonexistent/index" });
    expect([output.size(), output.records(), output.ended()]).toEqual([0, 0, true]);
  });

  test("is searched through a descriptor", () => {
    const { indexPath } = files("hello tele", [5, 5]);
    const descriptor = openSync(indexPath, "r");
    try {
      const readAt = readAtOf(descriptor);
      expect(findByOffset(readAt, 2, 7)).toBe(1);
      expect(readRecord(readAt, 1)).toEqual({ offset: 5, length: 5, stream: STDERR, timeNs: 2n });
      expect(readRecord(readAt, 2)).toBeUndefined();
    } finally {
      closeSync(descriptor);
    }
  });

  test("is repaired when the index lacks the last append, at the data's own time, and then left alone", () => {
    const paths = files("hello tele, again", [5, 5]);
    utimesSync(paths.dataPath, 1_800_000_000, 1_800_000_000);
    expect(repairOutput(paths)).toEqual({ size: 17, records: 3, synthesizedBytes: 7 });
    const index = readFileSync(paths.indexPath);
    const readAt = (target: Uint8Array, at: number) => index.copy(target, 0, at);
    expect(readRecord(readAt, 2)).toEqual({
      offset: 10,
      length: 7,
      stream: STDOUT,
      timeNs: 1_800_000_000n * 10n ** 9n,
    });
    expect(repairOutput(paths)).toEqual({ size: 17, records: 3, synthesizedBytes: 0 });
    expect(readFileSync(paths.indexPath)).toEqual(index);
  });

  test("is repaired when the index is torn, missing, or ahead of the data", () => {
    const torn = files("hello tele", [5, 5]);
    writeFileSync(torn.indexPath, readFileSync(torn.indexPath).subarray(0, 30));
    expect(repairOutput(torn)).toEqual({ size: 10, records: 2, synthesizedBytes: 5 });

    const missing = files("hello tele", []);
    rmSync(missing.indexPath);
    expect(repairOutput(missing)).toEqual({ size: 10, records: 1, synthesizedBytes: 10 });

    expect(repairOutput({ dataPath: "/nonexistent/data", indexPath: "/nonexistent/index" }).size).toBe(0);

    const ahead = files("hello", [4, 4, 4]);
    expect(repairOutput(ahead)).toEqual({ size: 5, records: 2, synthesizedBytes: 0 });
    expect(readFileSync(ahead.indexPath).length).toBe(2 * RECORD_BYTES);
  });
});
