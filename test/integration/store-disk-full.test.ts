import { afterEach, beforeEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { appendFileSync, closeSync, mkdtempSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TeleError } from "#errors";
import { jobPaths, makeJobFiles, openStateDirectory, stateDirectory } from "#runtime/state-directory.ts";
import type { JobRecord } from "#runtime/store/record.ts";
import { openStore } from "#runtime/store/store.ts";
import type { Enforced } from "#spec/job.ts";
import { JobSpecSchema } from "#spec/schema.ts";
import { need } from "#test/support/needs.ts";

const spec = JobSpecSchema.parse({ command: ["/bin/echo", "x".repeat(3000)] });
let mountPoint: string;

beforeEach(() => {
  need("root", "mount");
  mountPoint = mkdtempSync(join(tmpdir(), "tele-full-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m,nr_inodes=64,mode=700", "tele-test", mountPoint]);
});

afterEach(() => {
  execFileSync("umount", [mountPoint]);
  rmdirSync(mountPoint);
});

function record(i: number): JobRecord {
  const id = `job-${String(i).padStart(5, "0")}`;
  return { id, owner: "a", spec, state: "RUNNING", reason: "RUNNING", createNs: BigInt(i), enforced: {} as Enforced };
}

/** Takes all the space there is. */
function fill(path: string): void {
  const { bfree, bsize } = statfsSync(mountPoint);
  const block = new Uint8Array(bsize);
  for (let i = 0; i <= bfree; i++) {
    try {
      appendFileSync(path, block);
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe("ENOSPC");
      return;
    }
  }
}

/** The error of the first of at most `most` calls that fails. */
function firstError(most: number, work: (i: number) => void): { error: TeleError; at: number } {
  for (let i = 0; i < most; i++) {
    try {
      work(i);
    } catch (error) {
      expect(error).toBeInstanceOf(TeleError);
      return { error: error as TeleError, at: i };
    }
  }
  throw new Error(`none of ${most} calls failed`);
}

test("a full disk refuses what is new, keeps what is there, and the store goes on when there is space again", async () => {
  const path = join(mountPoint, "state.db");
  const ballast = join(mountPoint, "ballast");
  const store = openStore(path);
  let next = 0;
  const kept: string[] = [];
  const insert = (): void => {
    const made = record(next);
    store.insert(made);
    next++;
    kept.push(made.id);
  };
  const expectKept = (): void => expect([...store.list()].map((r) => r.id)).toEqual(kept);

  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10; i++) insert();
    await store.durable();
    fill(ballast);
    const { error } = firstError(2000, insert);
    expect([error.code, error.fields.hint !== undefined]).toEqual(["INSUFFICIENT_STORAGE", true]);
    expect(error.message).toContain(path);
    // All or nothing, also of many at once.
    const many = (): TeleError => firstError(2000, (i) => store.insert(record(10_000 + i))).error;
    expect(() => store.transaction(many)).toThrow("no space left");
    expectKept();
    await store.durable();
    expect(store.get(kept[0] as string)?.spec).toEqual(spec);

    rmSync(ballast);
    insert();
    store.update(kept.at(-1) as string, { state: "COMPLETED", reason: "EXITED" });
    await store.durable();
    expectKept();
    // Makes room in a file system of 4 MiB for the next round.
    for (const id of kept.splice(0, kept.length - 2)) store.remove(id);
  }

  await store.close();
  const database = new DatabaseSync(path);
  expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  database.close();
}, 30_000);

test("a job's directory that finds no room says INSUFFICIENT_STORAGE", async () => {
  const state = stateDirectory(join(mountPoint, "state"));
  const lock = openStateDirectory(state);
  const errors: unknown[] = [];
  for (let i = 0; i < 100 && errors.length === 0; i++) {
    const made = await makeJobFiles(jobPaths(state, `job-${i}`)).catch((reason: unknown) => {
      errors.push(reason);
    });
    if (made) for (const fd of Object.values(made)) closeSync(fd);
  }
  const [error] = errors;
  expect(error).toBeInstanceOf(TeleError);
  expect([(error as TeleError).code, (error as TeleError).fields.errno]).toEqual(["INSUFFICIENT_STORAGE", "ENOSPC"]);
  lock.release();
});
