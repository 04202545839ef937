import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TeleError, type Code } from "#errors";
import { cursorOf, formatCursor } from "#runtime/store/cursor.ts";
import { toJob, type JobRecord } from "#runtime/store/record.ts";
import { SCHEMA_VERSION } from "#runtime/store/schema.ts";
import { openStore, type Store } from "#runtime/store/store.ts";
import { type Enforced, LIMIT_NAMES } from "#spec/job.ts";
import { JobSpecSchema } from "#spec/schema.ts";

const enforced = Object.fromEntries(LIMIT_NAMES.map((name) => [name, { by: "cgroup2" }])) as unknown as Enforced;
const spec = JobSpecSchema.parse({ command: ["/bin/echo", "hello tele", "ü\n\u2028"], labels: { team: "blue" } });

function record(id: string, createNs: bigint, more: Partial<JobRecord> = {}): JobRecord {
  return { id, owner: "alice", spec, state: "RUNNING", reason: "RUNNING", createNs, enforced, ...more };
}

const closed: Partial<JobRecord> = {
  state: "FAILED",
  reason: "SIGNALED",
  startNs: 1_792_000_000_123_456_790n,
  endNs: 1_792_000_001_999_999_999n,
  end: { reason: "SIGNALED", signal: "SIGKILL", usage: { wallUs: 1_876_543, outputBytes: 7 } },
};

const complete: JobRecord = record("complete", 1_792_000_000_123_456_789n, {
  ...closed,
  tether: { pid: 4_194_304, startTicks: 9_007_199_254_740_991, bootId: "0b0b0b0b-1111-4222-8333-444444444444" },
  restart: { cgroups: { memory: "/sys/fs/cgroup/memory/tele/complete" }, deadline: 5 },
  stopRequestedBy: "bob",
  stopReason: "STOPPED",
  userns: { start: 4_294_836_224, count: 65_536 },
});

let directory: string;
let path: string;
let store: Store;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tele-store-"));
  path = join(directory, "state.db");
  store = openStore(path);
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

function thrown(work: () => unknown): TeleError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(TeleError);
    return error as TeleError;
  }
  throw new Error("nothing was thrown");
}

function expectError(work: () => unknown, code: Code, ...words: string[]): void {
  const error = thrown(work);
  expect(error.code).toBe(code);
  for (const word of words) expect(error.message).toContain(word);
  expect(error.fields.hint).toBeTruthy();
}

const ids = (records: Iterable<JobRecord>): string[] => [...records].map((r) => r.id);

describe("a record", () => {
  test("comes back with every field, the same after the store was opened again", async () => {
    store.insert(complete);
    store.insert(record("plain", 5n));
    for (let round = 0; round < 2; round++) {
      expect(store.get("complete")).toEqual(complete);
      expect(store.get("plain")).toEqual(record("plain", 5n));
      expect(Object.keys(store.get("plain") ?? {})).not.toContain("end");
      await store.close();
      store = openStore(path);
    }
  });

  test("changes in the fields of a patch and in no other", () => {
    store.insert(record("a", 1n));
    store.insert(record("b", 2n));
    store.update("a", { startNs: 3n });
    store.update("a", { reason: "STOPPING", stopRequestedBy: "bob" });
    store.update("a", {});
    expect(store.get("a")).toEqual(record("a", 1n, { startNs: 3n, reason: "STOPPING", stopRequestedBy: "bob" }));
    store.update("a", closed);
    expect(store.get("a")).toEqual(record("a", 1n, { ...closed, stopRequestedBy: "bob" }));
    expect(store.get("b")).toEqual(record("b", 2n));
  });

  test("that is not there: get says undefined, remove false, update NOT_FOUND", () => {
    expect(store.get("x")).toBeUndefined();
    expect(store.remove("x")).toBe(false);
    expectError(() => store.update("x", { reason: "STOPPING" }), "NOT_FOUND", "x");
  });

  test("whose name is taken is refused with ALREADY_EXISTS, until the name is free again", () => {
    store.insert(record("mine", 1n));
    expectError(() => store.insert(record("mine", 2n, { owner: "bob" })), "ALREADY_EXISTS", "mine");
    expect(store.get("mine")?.owner).toBe("alice");
    expect(store.remove("mine")).toBe(true);
    store.insert(record("mine", 2n, { owner: "bob" }));
    expect(store.get("mine")?.owner).toBe("bob");
  });

  test("with a megabyte of arguments is kept whole", () => {
    const big = { ...spec, command: ["/bin/true", ...Array.from({ length: 8 }, (_, i) => `${i}`.repeat(131_000))] };
    store.insert(record("big", 1n, { spec: big }));
    expect(store.get("big")?.spec).toEqual(big);
  });

  test("is text to SQL, whatever its owner is called", () => {
    const owner = `'; DROP TABLE jobs; --"`;
    store.insert(record("a", 1n, { owner }));
    expect(ids(store.list({ owner }))).toEqual(["a"]);
  });
});

describe("lists", () => {
  /** 500 jobs, five at each instant, two owners, inserted in an order of their own. */
  const all = Array.from({ length: 500 }, (_, i) =>
    record(`job-${String(i).padStart(3, "0")}`, BigInt(1000 + Math.floor(i / 5)), { owner: i % 3 ? "alice" : "bob" }),
  );
  const inOrder = all.map((r) => r.id);

  beforeEach(() => {
    store.transaction(() => {
      for (let i = 0; i < all.length; i++) store.insert(all[(i * 7) % all.length] as JobRecord);
    });
  });

  test("are in (createNs, id) order, both ways, for all and for one owner", () => {
    expect(ids(store.list())).toEqual(inOrder);
    expect(ids(store.list({ descending: true }))).toEqual(inOrder.toReversed());
    const bobs = all.filter((r) => r.owner === "bob").map((r) => r.id);
    expect(ids(store.list({ owner: "bob" }))).toEqual(bobs);
    expect(ids(store.list({ owner: "bob", descending: true }))).toEqual(bobs.toReversed());
    expect(ids(store.list({ owner: "nobody" }))).toEqual([]);
  });

  test("go on after a cursor or an id, and after a cursor whose job is gone", () => {
    const middle = all[251] as JobRecord;
    const rest = inOrder.slice(252);
    expect(ids(store.list({ after: middle.id }))).toEqual(rest);
    expect(ids(store.list({ after: formatCursor(middle) }))).toEqual(rest);
    expect(ids(store.list({ after: cursorOf(toJob(middle)) }))).toEqual(rest);
    expect(ids(store.list({ after: middle.id, descending: true }))).toEqual(inOrder.slice(0, 251).toReversed());
    store.remove(middle.id);
    expect(ids(store.list({ after: formatCursor(middle) }))).toEqual(rest);
    expectError(() => store.list({ after: middle.id }), "INVALID_ARGUMENT", middle.id);
  });

  test("may be left at any time, and see jobs that come behind the place where they are", () => {
    const list = store.list();
    expect(list.next().value?.id).toBe("job-000");
    store.remove("job-400");
    store.insert(record("late", 5000n));
    const rest = ids(list);
    expect(rest).not.toContain("job-400");
    expect(rest.at(-1)).toBe("late");
    for (const first of store.list()) {
      expect(first.id).toBe("job-000");
      break;
    }
    store.insert(record("after-a-list-was-left", 6000n));
  });

  test("of open jobs hold only those", () => {
    for (const { id } of all.slice(0, 498)) store.update(id, closed);
    expect(ids(store.open())).toEqual(["job-498", "job-499"]);
    store.remove("job-498");
    expect(ids(store.open())).toEqual(["job-499"]);
  });
});

describe("ids of user namespaces", () => {
  const userns = (n: number) => ({ start: 1_000_000 + n * 65_536, count: 65_536 });

  test("are those of all jobs that have some, open or closed, until they are deleted", () => {
    store.insert(record("open", 1n, { userns: userns(0) }));
    store.insert(record("closed", 2n, { userns: userns(1), ...closed }));
    store.insert(record("host", 3n));
    expect(store.ranges()).toEqual([userns(0), userns(1)]);
    store.update("open", closed);
    expect(store.get("open")?.userns).toEqual(userns(0));
    expect(store.get("host")).not.toHaveProperty("userns");
    store.remove("open");
    expect(store.ranges()).toEqual([userns(1)]);
  });

  test("are read from an index alone, without the jobs", async () => {
    await store.close();
    const reader = new DatabaseSync(path);
    const query = "SELECT userns_start, userns_count FROM jobs WHERE userns_start IS NOT NULL";
    const plan = reader.prepare(`EXPLAIN QUERY PLAN ${query}`).all() as { detail: string }[];
    reader.close();
    store = openStore(path);
    expect(plan.map(({ detail }) => detail)).toEqual(["SEARCH jobs USING COVERING INDEX jobs_userns (userns_start>?)"]);
  });
});

describe("a transaction", () => {
  test("is all or nothing, and the error comes through as it is", () => {
    store.insert(record("a", 1n));
    const fault = new RangeError("no");
    const work = (): never => {
      store.insert(record("b", 2n));
      store.update("a", closed);
      store.transaction(() => store.insert(record("c", 3n)));
      throw fault;
    };
    expect(() => store.transaction(work)).toThrow(fault);
    expect(ids(store.list())).toEqual(["a"]);
    expect(store.get("a")?.state).toBe("RUNNING");
    expect(store.transaction(() => (store.insert(record("d", 4n)), 42))).toBe(42);
    expect(ids(store.list())).toEqual(["a", "d"]);
  });
});

describe("the file", () => {
  test("is for its owner only, and alone after a clean end", async () => {
    store.insert(complete);
    await store.durable();
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    await store.close();
    expect(readdirSync(directory)).toEqual(["state.db"]);
    store = openStore(path);
  });

  test("of a newer version is refused, names both versions, and is left as it is", async () => {
    await store.close();
    const newer = new DatabaseSync(path);
    newer.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 6}`);
    newer.close();
    const before = readFileSync(path);
    expectError(
      () => openStore(path),
      "FAILED_PRECONDITION",
      `version ${SCHEMA_VERSION + 6}`,
      `up to ${SCHEMA_VERSION}`,
      path,
    );
    expect(readFileSync(path)).toEqual(before);
    rmSync(path);
    store = openStore(path);
  });

  test("of an older version is brought up to date", async () => {
    await store.close();
    rmSync(path);
    const older = new DatabaseSync(path);
    older.exec("PRAGMA user_version = 0");
    older.close();
    store = openStore(path);
    store.insert(complete);
    expect(store.get("complete")).toEqual(complete);
  });

  test("of version 1 keeps its jobs, which asked for nothing that was not known then and have no ids of their own", async () => {
    await store.close();
    rmSync(path);
    // As that version made it, and as it wrote a record: with command, limits and labels only.
    const older = new DatabaseSync(path);
    older.exec(`CREATE TABLE jobs (
      id TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, spec TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
      create_ns INTEGER NOT NULL, start_ns INTEGER, end_ns INTEGER, enforced TEXT NOT NULL, "end" TEXT,
      tether_pid INTEGER, tether_start_ticks INTEGER, tether_boot_id TEXT,
      restart TEXT, stop_requested_by TEXT, stop_reason TEXT
    );
    CREATE INDEX jobs_by_time ON jobs (create_ns, id);
    CREATE INDEX jobs_by_owner ON jobs (owner, create_ns, id);
    CREATE INDEX jobs_open ON jobs (create_ns, id) WHERE state = 'RUNNING';
    PRAGMA user_version = 1;`);
    const { ulimits: _1, root: _2, mounts: _3, security: _4, ...known } = spec;
    const insert = older.prepare(
      `INSERT INTO jobs (id, owner, spec, state, reason, create_ns, start_ns, enforced, tether_pid, tether_start_ticks,
        tether_boot_id) VALUES (?, 'alice', ?, 'RUNNING', 'RUNNING', ?, ?, ?, 7, 8, 'b')`,
    );
    const startNs = 1_792_000_000_123_456_789n;
    for (const id of ["one", "two"]) insert.run(id, JSON.stringify(known), startNs, startNs, JSON.stringify(enforced));
    older.close();
    store = openStore(path);
    const expected = record("one", startNs, { startNs, tether: { pid: 7, startTicks: 8, bootId: "b" } });
    expect([store.get("one"), ...store.open()]).toEqual([expected, expected, { ...expected, id: "two" }]);
    expect(JobSpecSchema.parse(store.get("one")?.spec)).toEqual(spec);
    expect(store.ranges()).toEqual([]);
    store.insert(complete);
    await store.close();
    store = openStore(path);
    expect(store.get("complete")).toEqual(complete);
    expect(store.ranges()).toEqual([{ start: 4_294_836_224, count: 65_536 }]);
  });

  test("that is no database is refused and not overwritten", async () => {
    await store.close();
    const text = "hello, I am somebody's diary\n".repeat(300);
    writeFileSync(path, text);
    expectError(() => openStore(path), "FAILED_PRECONDITION", path, "damaged");
    expect(readFileSync(path, "utf8")).toBe(text);
    rmSync(path);
    store = openStore(path);
  });

  test("with a page of rubbish says that it is damaged", async () => {
    store.transaction(() => {
      for (let i = 0; i < 200; i++) store.insert(record(`job-${i}`, BigInt(i)));
    });
    await store.close();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096, bytes.length);
    writeFileSync(path, bytes);
    store = openStore(path);
    expectError(() => store.insert(record("x", 1n)), "FAILED_PRECONDITION", "damaged");
    expectError(() => store.get("job-7"), "FAILED_PRECONDITION", "damaged");
    expectError(() => store.open(), "FAILED_PRECONDITION", "damaged");
    expectError(() => store.list().next(), "FAILED_PRECONDITION", "damaged");
  });

  test("in a directory that is not there is refused with the kernel's word for it", () => {
    const error = thrown(() => openStore(`${path}.missing/state.db`));
    expect([error.code, error.fields.errno]).toEqual(["FAILED_PRECONDITION", "ENOENT"]);
  });

  test("that somebody else writes to at the moment is UNAVAILABLE, and works again afterwards", () => {
    const stranger = new DatabaseSync(path);
    stranger.exec("BEGIN IMMEDIATE");
    expectError(() => store.insert(complete), "UNAVAILABLE", path);
    stranger.exec("ROLLBACK");
    stranger.close();
    store.insert(complete);
    expect(store.get("complete")).toEqual(complete);
  });

  test("keeps the mode that an administrator gave it", async () => {
    await store.close();
    chmodSync(path, 0o640);
    store = openStore(path);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });
});
