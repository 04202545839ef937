import { afterEach, beforeEach, expect, test } from "bun:test";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import type { Readable } from "node:stream";
import { TeleError } from "#errors";
import {
  cgroupName,
  jobPaths,
  makeJobFiles,
  openStateDirectory,
  removeJobDirectory,
  stateDirectory,
  type StateDirectory,
} from "#runtime/state-directory.ts";
import { stateDirectoryPath } from "#runtime/state-path.ts";
import { openStore } from "#runtime/store/store.ts";

let parent: string;
let state: StateDirectory;
const children: ChildProcessByStdio<null, Readable, null>[] = [];

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "tele-state-"));
  state = stateDirectory(join(parent, "state"));
});

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  rmSync(parent, { recursive: true });
});

function writer(...options: string[]): ChildProcessByStdio<null, Readable, null> {
  const script = join(import.meta.dirname, "store-writer.ts");
  const child = spawn(process.execPath, [script, state.path, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return child;
}

async function kill(child: ChildProcessByStdio<null, Readable, null>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** The lines of a child until one satisfies the condition; the child goes on. */
async function linesUntil(
  child: ChildProcessByStdio<null, Readable, null>,
  last: (line: string, n: number) => boolean,
) {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (last(line, lines.length)) return lines;
  }
  throw new Error(`the writer ended after ${lines.length} lines`);
}

function thrown(work: () => unknown): TeleError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(TeleError);
    return error as TeleError;
  }
  throw new Error("nothing was thrown");
}

test("kill -9 in the middle of a load loses no insert that returned, round after round", async () => {
  const inserted = new Set<string>();
  for (const enough of [40, 400, 2500]) {
    const child = writer();
    const lines = await linesUntil(child, (_, n) => n >= enough);
    await kill(child);
    for (const line of lines) if (line.startsWith("inserted ")) inserted.add(line.slice("inserted ".length));

    const lock = openStateDirectory(state);
    const store = openStore(state.database);
    const there = new Set([...store.list()].map((r) => r.id));
    for (const id of inserted) expect(there.has(id)).toBe(true);
    for (const { id, state: open } of store.open()) expect([there.has(id), open]).toEqual([true, "RUNNING"]);
    await store.close();
    const check = new DatabaseSync(state.database);
    expect(check.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    check.close();
    lock.release();
  }
  expect(inserted.size).toBeGreaterThan(500);
}, 60_000);

test("a second daemon is refused and told of the directory and the process, until the first is gone", async () => {
  const child = writer("--hold");
  await linesUntil(child, (line) => line === "held");
  const error = thrown(() => openStateDirectory(state));
  expect(error.code).toBe("FAILED_PRECONDITION");
  expect(error.message).toContain(state.path);
  expect(error.message).toContain(`process ${child.pid}`);
  expect(error.fields.hint).toContain("TELE_STATE_DIR");
  await kill(child);
  openStateDirectory(state).release();
}, 30_000);

test("the lock is not inherited: a child that outlives its daemon does not keep the directory", () => {
  const lock = openStateDirectory(state);
  expect(thrown(() => openStateDirectory(state)).code).toBe("FAILED_PRECONDITION");
  const child = spawn("sleep", ["60"], { stdio: ["ignore", "pipe", "ignore"] });
  children.push(child);
  lock.release();
  openStateDirectory(state).release();
});

test("the directory is made for its owner only, with nothing but the lock left in it", () => {
  openStateDirectory(state).release();
  expect(statSync(state.path).mode & 0o777).toBe(0o700);
  expect(statSync(state.jobs).mode & 0o777).toBe(0o700);
  expect(readdirSync(state.path).toSorted()).toEqual(["jobs", "lock"]);
});

test("a directory that others may write to, or that is no directory, is refused with the way out", () => {
  mkdirSync(state.path);
  chmodSync(state.path, 0o777);
  const open = thrown(() => openStateDirectory(state));
  expect([open.code, open.fields.hint]).toEqual(["FAILED_PRECONDITION", `chmod 700 ${state.path}`]);
  rmSync(state.path, { recursive: true });
  writeFileSync(state.path, "");
  const file = thrown(() => openStateDirectory(state));
  expect([file.code, file.fields.errno]).toEqual(["FAILED_PRECONDITION", "EEXIST"]);
});

test("where it is: the variable, then root's place, then the user's", () => {
  expect(stateDirectoryPath({ TELE_STATE_DIR: "/srv/tele", XDG_STATE_HOME: "/x" }, 0)).toBe("/srv/tele");
  expect(stateDirectoryPath({ TELE_STATE_DIR: "", HOME: "/root" }, 0)).toBe("/var/lib/tele");
  expect(stateDirectoryPath({ XDG_STATE_HOME: "/x/state", HOME: "/home/a" }, 1000)).toBe("/x/state/tele");
  expect(stateDirectoryPath({ XDG_STATE_HOME: "not/absolute", HOME: "/home/a" }, 1000)).toBe(
    "/home/a/.local/state/tele",
  );
});

test("each state directory has a cgroup name of its own, and the usual one a plain one", () => {
  expect(cgroupName("/var/lib/tele")).toBe("tele");
  expect(cgroupName("/var/lib/../lib/tele/")).toBe("tele");
  expect(cgroupName("/srv/tele")).toMatch(/^tele-[0-9a-f]{8}$/);
  expect(cgroupName("/srv/tele")).not.toBe(cgroupName("/srv/other"));
});

test("a job's directory is made and removed with the files it is known to have, and with no others", async () => {
  const lock = openStateDirectory(state);
  const job = jobPaths(state, "0192f3a4-0000-7000-8000-000000000000");
  const files = await makeJobFiles(job);
  expect(statSync(job.directory).mode & 0o777).toBe(0o700);
  for (const [name, fd] of Object.entries(files)) {
    writeSync(fd, name, 0);
    closeSync(fd);
    expect(readFileSync(join(job.directory, name), "utf8").replaceAll("\0", "")).toBe(name);
  }
  writeFileSync(join(job.directory, "keepsake"), "x");
  expect(thrown(() => removeJobDirectory(job)).fields.errno).toBe("ENOTEMPTY");
  expect(readdirSync(job.directory)).toEqual(["keepsake"]);
  rmSync(join(job.directory, "keepsake"));
  removeJobDirectory(job);
  removeJobDirectory(job);
  expect(existsSync(job.directory)).toBe(false);
  for (const id of ["..", ".", "", "a/b", "../lock", "A", "-a", "a".repeat(64)]) {
    expect(thrown(() => jobPaths(state, id)).code).toBe("INVALID_ARGUMENT");
  }
  lock.release();
});
