/** Where the daemon keeps what must outlive it, and the lock that lets only one daemon keep it. */
import { closeSync, mkdirSync, open, readFileSync, rmdirSync, statSync, unlinkSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { TeleError } from "#errors";
import { SYSTEM_STATE } from "./state-path.ts";
import { isBusy, storeError, systemError } from "./store/sqlite-error.ts";

/** Paths of one state directory. */
export interface StateDirectory {
  readonly path: string;
  /** SQLite, see store/. */
  readonly database: string;
  /** One directory per job that has output. */
  readonly jobs: string;
  readonly lock: string;
  /** See reserve.ts. */
  readonly reserve: string;
}

/** Paths of one job in it. */
export interface JobPaths {
  readonly directory: string;
  readonly data: string;
  readonly index: string;
  /** The tether's exit record. */
  readonly exit: string;
}

/**
 * Name of the cgroup of the daemon that keeps its state here: `tele`, with a mark of the directory where it is not
 * root's usual one. Two daemons of one host then never take each other's jobs for leftovers of their own.
 */
export function cgroupName(path: string): string {
  return resolve(path) === SYSTEM_STATE
    ? "tele"
    : `tele-${createHash("sha256").update(resolve(path)).digest("hex").slice(0, 8)}`;
}

/** The paths below `path`; touches no file. */
export function stateDirectory(path: string): StateDirectory {
  return {
    path,
    database: join(path, "state.db"),
    jobs: join(path, "jobs"),
    lock: join(path, "lock"),
    reserve: join(path, "reserve"),
  };
}

/** The paths of job `id`, which must be a job's id: INVALID_ARGUMENT for anything that could lead elsewhere. */
export function jobPaths(state: StateDirectory, id: string): JobPaths {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(id)) {
    throw new TeleError("INVALID_ARGUMENT", {
      detail: `${JSON.stringify(id)} is no job id`,
      hint: "ids are a UUID, or lower-case letters, digits and '-', up to 63",
    });
  }
  const directory = join(state.jobs, id);
  return {
    directory,
    data: join(directory, "data"),
    index: join(directory, "index"),
    exit: join(directory, "exit"),
  };
}

/** At least the exit record (`RECORD.size` in program/report.ts). */
const EXIT_BYTES = 512;

/** Descriptors of a new job's files, all writable and the caller's. */
export interface JobFiles {
  readonly data: number;
  readonly index: number;
  readonly exit: number;
}

/**
 * Makes the directory of a new job and its files, on other threads: a busy disk takes a millisecond for it.
 * INSUFFICIENT_STORAGE when the disk is full; nothing is left open then.
 */
export async function makeJobFiles(job: JobPaths): Promise<JobFiles> {
  const opened: number[] = [];
  try {
    await mkdir(job.directory, { mode: 0o700 });
    const made = await Promise.allSettled([job.data, job.index, job.exit].map((path) => openFile(path, "wx", 0o600)));
    for (const one of made) if (one.status === "fulfilled") opened.push(one.value);
    const failed = made.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
    const [data = -1, index = -1, exit = -1] = opened;
    // Its place on the disk: an exit status must not be lost to a disk that fills up meanwhile.
    writeSync(exit, new Uint8Array(EXIT_BYTES), 0, EXIT_BYTES, 0);
    return { data, index, exit };
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error instanceof Error ? systemError(error, job.directory) : error;
  }
}

const openFile = promisify(open);

/** Removes the files that a job's directory is known to have, then the directory; what is not there is no fault. */
export function removeJobDirectory(job: JobPaths): void {
  onSystemError(job.directory, () => {
    for (const path of [job.data, job.index, job.exit]) ignoreMissing(() => unlinkSync(path));
    ignoreMissing(() => rmdirSync(job.directory));
  });
}

/** Keeps the locks' connections from the garbage collector, which would close them and so drop the locks. */
const held = new Set<DatabaseSync>();

/** Holds a state directory until it is released or the process ends, however it ends. */
export interface Lock {
  release(): void;
}

/**
 * Makes the state directory where there is none (mode 0700) and locks it. FAILED_PRECONDITION when another daemon has
 * it, when it cannot be made, or when others could write to it. Come here first: the version of what is inside is
 * looked at by `openStore`, which only the holder of the lock may call.
 */
export function openStateDirectory(state: StateDirectory): Lock {
  onSystemError(state.path, () => mkdirSync(state.path, { recursive: true, mode: 0o700 }));
  checkOwnership(state.path);
  const lock = lockFile(state);
  try {
    onSystemError(state.jobs, () => mkdirSync(state.jobs, { recursive: true, mode: 0o700 }));
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function checkOwnership(path: string): void {
  const { uid, mode } = statSync(path);
  const ours = uid === process.getuid?.();
  if (ours && (mode & 0o022) === 0) return;
  throw new TeleError("FAILED_PRECONDITION", {
    detail: ours ? `others may write to ${path}` : `${path} belongs to user ${uid}`,
    hint: ours ? `chmod 700 ${path}` : "choose another directory with TELE_STATE_DIR",
  });
}

/**
 * JavaScript has no flock(2) and no fcntl(2), but SQLite has: an exclusive transaction on a database of its own, never
 * committed, is a POSIX write lock on a file that stays empty. The kernel drops it when the process ends. Unlike
 * flock(2)'s it does not pass to children (fcntl(2): "not inherited by a child created via fork"), so a tether that
 * outlives us does not keep the directory locked. Nobody may open the file besides: closing it would drop the lock.
 */
function lockFile(state: StateDirectory): Lock {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(state.lock, { timeout: 0 });
    // In memory, or a `lock-journal` would be left behind each time.
    database.prepare("PRAGMA journal_mode = MEMORY").get();
    database.prepare("BEGIN EXCLUSIVE").run();
  } catch (error) {
    database?.close();
    throw isBusy(error) ? inUse(state) : storeError(error, state.lock);
  }
  const kept = database;
  held.add(kept);
  return {
    release: () => {
      if (held.delete(kept)) kept.close();
    },
  };
}

function inUse(state: StateDirectory): TeleError {
  const pid = lockHolder(state.lock);
  return new TeleError("FAILED_PRECONDITION", {
    detail: `another tele (${pid === undefined ? "a process" : `process ${pid}`}) uses ${state.path}`,
    hint: "stop that one first, or give this one a directory of its own with TELE_STATE_DIR",
  });
}

/** The process that /proc/locks (proc_locks(5)) names for this file; undefined when it shows none of ours. */
function lockHolder(path: string): number | undefined {
  try {
    const { dev, ino } = statSync(path);
    // As the kernel's print_lock does it (fs/locks.c), from makedev(3)'s packing.
    const major = (dev >> 8) & 0xfff;
    const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
    const device = [major, minor].map((n) => n.toString(16).padStart(2, "0")).join(":");
    for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
      const match = /POSIX\s+ADVISORY\s+WRITE\s+(\d+)\s+(\S+)\s/.exec(line);
      if (match?.[2] === `${device}:${ino}`) return Number(match[1]);
    }
  } catch {
    // A hint that cannot be given is left out.
  }
  return undefined;
}

function onSystemError(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw error instanceof Error ? systemError(error, path) : error;
  }
}

function ignoreMissing(work: () => void): void {
  try {
    work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
