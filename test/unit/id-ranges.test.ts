// Host ids for jobs: what the command line may say, what a host has, who gets what and when again.
import { describe, expect, test } from "bun:test";
import { TeleError } from "#errors";
import {
  defaultRange,
  hasIds,
  type HostIds,
  IDS_PER_JOB,
  type IdRange,
  openRanges,
  parseRange,
  rangeOf,
} from "#host/id-ranges.ts";

const WHOLE = "         0          0 4294967295\n";
const hostIds = (more: Partial<HostIds> = {}): HostIds => ({
  subuid: "",
  subgid: "",
  uidMap: WHOLE,
  gidMap: WHOLE,
  ...more,
});
/** The same lines in both files. */
const granted = (text: string, more: Partial<HostIds> = {}): HostIds =>
  hostIds({ subuid: text, subgid: text, ...more });
const job = (slot: number, start = 1_000_000): IdRange => ({ start: start + slot * IDS_PER_JOB, count: IDS_PER_JOB });

function refusal(work: () => unknown): TeleError {
  try {
    work();
  } catch (error) {
    if (error instanceof TeleError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("a range on the command line", () => {
  test("is its start and its count", () => {
    expect(parseRange("1000000:65536000")).toEqual({ start: 1_000_000, count: 65_536_000 });
    expect(parseRange("65536:65536")).toEqual({ start: 65_536, count: 65_536 });
    expect(parseRange("1073676288:65536")).toEqual({ start: 1_073_676_288, count: 65_536 });
  });

  test.each([
    ["", "is not START:COUNT"],
    ["1000000", "is not START:COUNT"],
    ["1000000-2000000", "is not START:COUNT"],
    ["-1:65536", "is not START:COUNT"],
    [" 1000000:65536", "is not START:COUNT"],
    ["1e6:65536", "is not START:COUNT"],
    ["0:65536", "below 65536, where the host's own users are"],
    ["65535:65536", "below 65536"],
    ["1000000:65535", "has 65535 ids, and one job takes 65536"],
    ["1000000:0", "has 0 ids"],
    ["1073676289:65536", "above 1073741823"],
    ["9999999999:9999999999", "above 1073741823"],
  ])("%p is refused: %s", (text, fault) => {
    expect(parseRange(text)).toBeString();
    expect(parseRange(text) as string).toContain(fault);
  });
});

describe("the range of a host where nobody chose one", () => {
  test("is what lies between 1,000,000 and 2^30", () => {
    expect(defaultRange(hostIds())).toEqual({ start: 1_000_000, count: 2 ** 30 - 1_000_000 });
  });

  test("is root's in subuid and subgid, by name or id, as far as both agree", () => {
    expect(defaultRange(granted("alice:100000:65536\nroot:2000000:655360\n"))).toEqual({
      start: 2_000_000,
      count: 655_360,
    });
    expect(defaultRange(granted("0:2000000:655360"))).toEqual({ start: 2_000_000, count: 655_360 });
    const apart = { subuid: "root:2000000:655360\n", subgid: "root:2065536:655360\n" };
    expect(defaultRange(hostIds(apart))).toEqual({ start: 2_065_536, count: 589_824 });
  });

  test("is the largest of several, and two that touch are one", () => {
    expect(defaultRange(granted("root:200000:200000\nroot:2000000:300000\n"))).toEqual({
      start: 2_000_000,
      count: 300_000,
    });
    expect(defaultRange(granted("root:200000:100000\nroot:300000:100000\n"))).toEqual({
      start: 200_000,
      count: 200_000,
    });
  });

  test("is not root's where the files disagree, or where it is one container's", () => {
    const start = 1_000_000;
    for (const ids of [
      hostIds({ subuid: "root:200000:655360\n" }),
      hostIds({ subuid: "root:200000:200000\n", subgid: "root:500000:200000\n" }),
      granted("root:100000:65536\n"),
      granted("# root:2000000:655360\nroot\nroot:x:y\n\nroot:5:\n"),
    ])
      expect(defaultRange(ids)).toEqual({ start, count: 2 ** 30 - start });
  });

  test("leaves out what others were given", () => {
    expect(defaultRange(granted("alice:100000:65536\nbob:1000000:65536\n"))).toEqual({
      start: 1_065_536,
      count: 2 ** 30 - 1_065_536,
    });
    expect(defaultRange(hostIds({ subgid: "bob:1000000000:65536\n" }))).toEqual({
      start: 1_000_000,
      count: 999_000_000,
    });
    expect(defaultRange(granted("bob:1000000:1073741824\n"))).toBeUndefined();
  });

  test("keeps off the host's own users and off the ranges above 2^30, whatever root was given", () => {
    expect(defaultRange(granted("root:0:4294967295\n"))).toEqual({ start: 65_536, count: 2 ** 30 - 65_536 });
  });

  test("is only what a container has, of users and of groups", () => {
    const uidMap = "0 100000 1000\n1000 1000 1\n1001 101001 1998999\n";
    expect(defaultRange(hostIds({ uidMap, gidMap: uidMap }))).toEqual({ start: 1_000_000, count: 1_000_000 });
    expect(defaultRange(hostIds({ uidMap, gidMap: "0 100000 1200000\n" }))).toEqual({
      start: 1_000_000,
      count: 200_000,
    });
    expect(defaultRange(hostIds({ uidMap, gidMap: "0 100000 65536\n" }))).toBeUndefined();
  });
});

describe("a range that was asked for", () => {
  test("is used as it is, whatever subuid says", () => {
    const asked = { start: 3_000_000, count: 65_536 };
    expect(rangeOf(asked, granted("bob:3000000:65536\n"))).toEqual(asked);
    expect(rangeOf(undefined, hostIds())?.start).toBe(1_000_000);
  });

  test("is refused where this user namespace lacks ids of it", () => {
    const gidMap = "0 0 3065535\n";
    const asked = { start: 3_000_000, count: 65_536 };
    expect(hasIds({ uidMap: WHOLE, gidMap: "0 0 3065536\n" }, asked)).toBe(true);
    const error = refusal(() => rangeOf(asked, hostIds({ gidMap })));
    expect(error.code).toBe("FAILED_PRECONDITION");
    expect(error.message).toContain("the ids 3000000 to 3065535");
    expect(error.fields.hint).toContain("--userns-range");
  });
});

describe("ranges of jobs", () => {
  const range = { start: 1_000_000, count: 3 * IDS_PER_JOB + 65_535 };

  test("are the lowest that are free, each once until it is given back", () => {
    const ranges = openRanges({ range, taken: [] });
    expect([ranges.take(), ranges.take(), ranges.take()]).toEqual([job(0), job(1), job(2)]);
    ranges.give(job(2));
    ranges.give(job(0));
    expect([ranges.take(), ranges.take()]).toEqual([job(0), job(2)]);
  });

  test("run out with a way out, and are there again after one came back", () => {
    const ranges = openRanges({ range, taken: [] });
    for (let n = 0; n < 3; n++) ranges.take();
    for (let round = 0; round < 2; round++) {
      const error = refusal(() => ranges.take());
      expect(error.code).toBe("RESOURCE_EXHAUSTED");
      expect(error.message).toBe("the ids of 1000000:262143 are all in use, by 3 jobs");
      expect(error.fields.hint).toContain("tele rm");
    }
    ranges.give(job(1));
    expect(ranges.take()).toEqual(job(1));
    expect(() => ranges.take()).toThrow();
  });

  test("are not there at all in a container without ids, and the way out is another", () => {
    const ranges = openRanges({ range: undefined, taken: [job(0)] });
    const error = refusal(() => ranges.take());
    expect(error.code).toBe("FAILED_PRECONDITION");
    expect(error.fields.hint).toContain("--userns host");
    ranges.give(job(0));
    expect(refusal(() => ranges.take()).code).toBe("FAILED_PRECONDITION");
  });

  test("that an earlier daemon gave are taken", () => {
    const ranges = openRanges({ range, taken: [job(2), job(0), job(500), job(0, 65_536)] });
    expect(ranges.take()).toEqual(job(1));
    expect(() => ranges.take()).toThrow();
    ranges.give(job(500));
    expect(() => ranges.take()).toThrow();
    ranges.give(job(2));
    expect(ranges.take()).toEqual(job(2));
  });

  test("that an earlier daemon gave out of another range keep every slot that they reach into", () => {
    // 30,000 further on: each lies in two slots, and slot 1 has two of them.
    const [first, second] = [job(0, 1_030_000), job(1, 1_030_000)];
    const ranges = openRanges({ range, taken: [first, second] });
    expect(() => ranges.take()).toThrow();
    ranges.give(first);
    expect(ranges.take()).toEqual(job(0));
    expect(() => ranges.take()).toThrow();
    ranges.give(second);
    expect([ranges.take(), ranges.take()]).toEqual([job(1), job(2)]);
  });

  test("of thousands of jobs never overlap, whatever comes and goes", () => {
    const whole = { start: 1_000_000, count: 2 ** 30 - 1_000_000 };
    const ranges = openRanges({ range: whole, taken: [] });
    const held = new Map<number, IdRange>();
    const most = Math.floor(whole.count / IDS_PER_JOB);
    // A generator of its own: the same run each time (Park and Miller).
    let seed = 42;
    const chance = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 60_000; round++) {
      const full = held.size === most;
      if (!full && (held.size === 0 || chance() < 0.7)) {
        const got = ranges.take();
        expect(held.has(got.start) || got.start < whole.start || got.start + got.count > 2 ** 30).toBe(false);
        held.set(got.start, got);
      } else {
        const [oldest] = held.values();
        if (!oldest) throw new Error("nothing is held");
        held.delete(oldest.start);
        ranges.give(oldest);
      }
    }
    expect(held.size).toBeGreaterThan(10_000);
    const inOrder = [...held.keys()].toSorted((a, b) => a - b);
    for (const [index, start] of inOrder.entries())
      if (index > 0) expect(start - (inOrder[index - 1] ?? 0)).toBeGreaterThanOrEqual(IDS_PER_JOB);
    const again = openRanges({ range: whole, taken: held.values() });
    for (let n = held.size; n < most; n++) expect(held.has(again.take().start)).toBe(false);
    expect(() => again.take()).toThrow();
  });
});
