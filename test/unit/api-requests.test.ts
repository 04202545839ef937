// What requests may say: filters, pages, ranges, watches, faults, repeated keys.
import { describe, expect, test } from "bun:test";
import { TeleError } from "#errors";
import { shapeOf } from "#api/dispatch.ts";
import { parseFilter } from "#api/filter.ts";
import { createIdempotency, type Answer } from "#api/idempotency.ts";
import { decodeToken, encodeToken, listKey, pageSizeOf, parseOrder, takePage } from "#api/paging.ts";
import { faultsOf, jsonPointer, problemOf } from "#api/problem.ts";
import { signalName } from "#api/signals.ts";
import { placeRange } from "#api/watch/range.ts";
import { planWatch, WatchQuery } from "#api/watch/request.ts";
import type { Job } from "#spec/job.ts";
import { JobSpecSchema } from "#spec/schema.ts";

const job = (changes: Partial<Job> = {}): Job =>
  ({
    name: "jobs/a",
    owner: "bob",
    labels: { app: "web", "example.com/tier": "1 2" },
    state: "RUNNING",
    phase: "OPEN",
    reason: "RUNNING",
    createTime: "2026-11-22T12:00:00.000000001Z",
    ...changes,
  }) as Job;

function thrown(work: () => unknown): TeleError {
  try {
    work();
  } catch (error) {
    if (error instanceof TeleError) return error;
  }
  throw new Error("expected a TeleError");
}

describe("filters", () => {
  test.each([
    ["", true],
    ["  ", true],
    ["state = RUNNING", true],
    ["state=COMPLETED", false],
    ["state != COMPLETED AND phase = OPEN", true],
    ['owner = "bob" AND reason = RUNNING', true],
    ["owner != 'bob'", false],
    ["labels.app = web", true],
    ['labels.example.com/tier = "1 2"', true],
    ["labels.app != web", false],
    ["labels.none = web", false],
    ["labels.none != web", true],
    ["labels.constructor != web", true],
    ['createTime >= "2026-11-22T12:00:00Z"', true],
    ['createTime = "2026-11-22T12:00:00.000000001Z"', true],
    ['createTime = "2026-11-22T13:00:00.000000001+01:00"', true],
    ['createTime < "2026-11-22T12:00:00.000000001Z"', false],
    ['createTime > "2026-11-22T12:00:00Z" AND createTime <= "2026-11-22T12:00:00.000000001Z"', true],
    ['endTime > "2026-01-01T00:00:00Z"', false],
    ['endTime != "2026-01-01T00:00:00Z"', true],
  ])("%p holds: %p", (text, holds) => {
    expect(parseFilter(text).matches(job())).toBe(holds);
  });

  test("an owner insisted on is known to the list", () => {
    expect(parseFilter("state = FAILED AND owner = eve").owner).toBe("eve");
    expect(parseFilter("owner != eve").owner).toBeUndefined();
  });

  test("quotes can hold quotes", () => {
    const odd = job({ labels: { app: 'a "b" \\ c' } });
    expect(parseFilter('labels.app = "a \\"b\\" \\\\ c"').matches(odd)).toBe(true);
  });

  test.each([
    ["state = RUNING", "column 9: RUNING is no state", "did you mean RUNNING?"],
    ["stat = RUNNING", "column 1: stat is no field", "did you mean state?"],
    [
      "state = RUNNING OR state = FAILED",
      'column 17: expected AND, found "OR"',
      "comparisons can be joined by AND only",
    ],
    ["NOT state = RUNNING", "column 1: expected a field, found NOT", "comparisons can be joined by AND only"],
    ["(state = RUNNING)", 'column 1: expected a field, found "("', undefined],
    ["state > RUNNING", "column 7: state can be compared with = and != only, not >", undefined],
    ["state : RUNNING", "column 7: expected one of != <= >= = < > after state", undefined],
    ["state =", "column 8: expected a value after state =", undefined],
    ["state", "column 6: expected one of", undefined],
    ['owner = "bob', "column 9: the quoted value does not end", undefined],
    ["createTime > yesterday", "column 14: yesterday is no time", undefined],
    ["state = RUNNING AND ", "column 21: expected a field after AND", undefined],
    ["state = RUNNING phase = OPEN", 'column 17: expected AND, found "phase"', undefined],
    [Array.from({ length: 65 }, () => "owner = a").join(" AND "), "more than 64 comparisons", undefined],
  ])("%p is refused with its column", (text, says, hint) => {
    const { code, fields } = thrown(() => parseFilter(text));
    expect(code).toBe("INVALID_ARGUMENT");
    expect(fields.faults?.[0]?.pointer).toBe("?filter");
    expect(fields.detail).toContain(says);
    if (hint !== undefined) expect(fields.hint).toBe(hint);
  });
});

describe("pages", () => {
  const all = Array.from({ length: 10 }, (_, i) => job({ name: `jobs/j${i}`, owner: i % 2 ? "bob" : "eve" }));

  test("no more is pulled than the page and one to know that there is another", () => {
    let pulled = 0;
    function* counted(): Iterable<Job> {
      for (const one of all) {
        pulled++;
        yield one;
      }
    }
    const page = takePage(counted(), () => true, 3, "key");
    expect([page.jobs.length, pulled]).toEqual([3, 4]);
    expect(decodeToken("key", page.nextPageToken ?? "")).toEndWith("~j2");
    expect(takePage(all, () => true, 10, "key")).toEqual({ jobs: all });
  });

  test("a filter that matches little gives short pages instead of a long silence", () => {
    function* endless(): Iterable<Job> {
      for (let i = 0; ; i++) yield job({ name: `jobs/j${i}` });
    }
    const page = takePage(endless(), () => false, 50, "key");
    expect(page.jobs).toEqual([]);
    expect(decodeToken("key", page.nextPageToken ?? "")).toEndWith("~j19999");
  });

  test("a token is good for its own list only", () => {
    const key = listKey("bob", "state = RUNNING", "true");
    expect(decodeToken(key, encodeToken(key, "abc"))).toBe("abc");
    for (const token of [
      encodeToken(listKey("eve", "state = RUNNING", "true"), "abc"),
      "",
      "???",
      encodeToken(key, ""),
    ])
      expect(thrown(() => decodeToken(key, token)).code).toBe("INVALID_ARGUMENT");
  });

  test("sizes and orders", () => {
    expect([undefined, 0, 7, 5000].map(pageSizeOf)).toEqual([50, 50, 7, 1000]);
    expect([undefined, "createTime", "createTime desc", " createTime ASC "].map(parseOrder)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(thrown(() => parseOrder("owner")).fields.faults?.[0]?.pointer).toBe("?orderBy");
  });
});

describe("ranges", () => {
  test.each([
    [
      "a closed job's",
      { first: 4, last: undefined },
      true,
      true,
      { from: 4, to: 10, contentRange: "bytes 4-9/10", length: 6 },
    ],
    ["a part", { first: 0, last: 0 }, true, true, { from: 0, to: 1, contentRange: "bytes 0-0/10", length: 1 }],
    [
      "more than there is",
      { first: 9, last: 99 },
      true,
      true,
      { from: 9, to: 10, contentRange: "bytes 9-9/10", length: 1 },
    ],
    ["a suffix", { suffix: 99 }, true, true, { from: 0, to: 10, contentRange: "bytes 0-9/10", length: 10 }],
    ["nothing", { suffix: 0 }, true, true, "unsatisfiable"],
    ["the end", { first: 10, last: undefined }, true, true, "unsatisfiable"],
    [
      "an open job's, now",
      { first: 4, last: undefined },
      true,
      false,
      { from: 4, to: 10, contentRange: "bytes 4-9/*", length: 6 },
    ],
    [
      "the future",
      { first: 20, last: 29 },
      false,
      false,
      { from: 20, to: 30, contentRange: "bytes 20-29/*", length: undefined },
    ],
    [
      "all that comes",
      { first: 10, last: undefined },
      false,
      false,
      { from: 10, to: Infinity, contentRange: "bytes 10-9007199254740991/*", length: undefined },
    ],
  ] as const)("%s", (_, range, settled, complete, placed) => {
    expect(placeRange(range, 10, settled, complete)).toEqual(placed);
  });
});

describe("watches", () => {
  const plan = (query: Record<string, string>, headers = {}) => planWatch(WatchQuery.parse(query), headers, 1_000_000);

  test("format by Accept, stream, follow", () => {
    expect(plan({})).toEqual({ format: "raw", wanted: "all", follow: true, done: false });
    expect(plan({ stream: "stderr", follow: "false" }, { accept: "application/x-ndjson" })).toMatchObject({
      format: "ndjson",
      wanted: 2,
      follow: false,
    });
    expect(plan({ since: "10s" }).sinceNs).toBe(990_000_000_000n);
    expect(plan({ since: "1970-01-01T00:00:01.5Z" }).sinceNs).toBe(1_500_000_000n);
  });

  test("where a resumed event source goes on outweighs where it once began", () => {
    const headers = { accept: "text/event-stream", lastEventId: "42" };
    const resumed = plan({ since: "10s", tail: "3", offset: "7" }, headers);
    expect(resumed).toEqual({ format: "sse", wanted: "all", follow: true, done: false, offset: 42 });
  });

  test("a range is one of the raw bytes of everything, or none", () => {
    expect(plan({}, { range: "bytes=5-" }).range).toEqual({ first: 5, last: undefined });
    expect(plan({}, { range: "bytes=-5" }).range).toEqual({ suffix: 5 });
    for (const range of ["bytes=5-4", "bytes=1-2,3-4", "items=1-", "bytes=-"])
      expect(plan({}, { range }).range).toBeUndefined();
    for (const query of [{ stream: "stdout" }, { tail: "1" }, { offset: "1" }, { since: "1s" }])
      expect(thrown(() => plan(query, { range: "bytes=1-" })).code).toBe("INVALID_ARGUMENT");
  });
});

test("custom methods are told from ids", () => {
  expect(shapeOf("/v1/jobs/{id}:stop")).toEqual({ mount: "/v1/jobs/:id", verb: "stop" });
  expect(shapeOf("/v1/jobs/{id}")).toEqual({ mount: "/v1/jobs/:id", verb: "" });
  expect(shapeOf("/healthz")).toEqual({ mount: "/healthz", verb: "" });
});

test("signals by name, short name and number", () => {
  expect(["SIGHUP", "hup", 1, "1", "sigterm"].map(signalName)).toEqual([
    "SIGHUP",
    "SIGHUP",
    "SIGHUP",
    "SIGHUP",
    "SIGTERM",
  ]);
  expect(["SIGNOPE", "", 0, 99, "constructor"].map(signalName)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

describe("problems", () => {
  test("JSON pointers are escaped", () => {
    expect(jsonPointer(["env", "a/b~c", 0])).toBe("/env/a~1b~0c/0");
    expect(jsonPointer([])).toBe("");
  });

  test("all faults of a spec, each in a sentence", () => {
    const bad = { command: "x", env: { A: 1 }, limits: { io: { rpbs: 1 } }, timeout: 5, require: ["cpu"], user: "a b" };
    const parsed = JobSpecSchema.safeParse(bad);
    const faults = parsed.error ? faultsOf(parsed.error, JobSpecSchema) : [];
    const details = Object.fromEntries(faults.map(({ pointer, detail }) => [pointer, detail]));
    expect(details).toMatchObject({
      "/command": "must be array, not string",
      "/env/A": "must be string, not number",
      "/limits/io/rpbs": 'is unknown; did you mean "rbps"?',
      "/timeout": "must be string, not number",
      "/user": "must be a user's name, or uid, or uid:gid",
    });
    expect(details["/require/0"]).toStartWith('must be "cpus" or "memory"');
  });

  test("an error that is not ours keeps its message to itself", () => {
    const problem = problemOf(new TypeError("secret"));
    expect([problem.status, problem.type]).toEqual([500, "urn:tele:problem:INTERNAL"]);
    expect(JSON.stringify(problem)).not.toContain("secret");
  });
});

describe("idempotency keys", () => {
  const answer = (body: string, status = 201): Answer => ({ status, headers: {}, body });

  test("the work is done once, also for requests at the same time", async () => {
    const keys = createIdempotency();
    let runs = 0;
    const work = async (): Promise<Answer> => answer(String(++runs));
    const both = await Promise.all([keys.run("bob", "k", "r", work), keys.run("bob", "k", "r", work)]);
    expect(both.map(({ body, replayed }) => [body, replayed])).toEqual([
      ["1", false],
      ["1", true],
    ]);
    expect((await keys.run("eve", "k", "r", work)).body).toBe("2");
    expect(keys.run("bob", "k", "other", work)).rejects.toThrow("another request");
    expect(keys.run("bob", "not\nprintable", "r", work)).rejects.toThrow("printable");
  });

  test("a failure that may pass is forgotten", async () => {
    const keys = createIdempotency();
    const failing = keys.run("bob", "k", "r", () => Promise.reject(new Error("busy")));
    expect(failing).rejects.toThrow("busy");
    await failing.catch(() => {});
    expect((await keys.run("bob", "k", "r", async () => answer("fine"))).body).toBe("fine");
  });

  test("answers are kept for a day, and no more of them than there is room for", async () => {
    let now = 0;
    const keys = createIdempotency(() => now);
    const put = (key: string, body: string) => keys.run("bob", key, "r", async () => answer(body));
    await put("old", "1");
    now = 24 * 3600 * 1000 + 1;
    expect((await put("old", "2")).replayed).toBe(false);
    for (let i = 0; i < 20; i++) await put(`big-${i}`, "x".repeat(2 ** 20));
    expect((await put("big-19", "")).replayed).toBe(true);
    expect((await put("old", "3")).replayed).toBe(false);
  });
});
