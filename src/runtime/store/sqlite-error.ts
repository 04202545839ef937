/** SQLite's result codes (https://www.sqlite.org/rescode.html), and errno of what lies around it, as errors of ours. */
import { TeleError } from "#errors";

const BUSY = 5;
const FULL = 13;
const CORRUPT = 11;
const NOTADB = 26;
/** Extended codes. */
const IOERR_SHMSIZE = 4874;
const CONSTRAINT_PRIMARYKEY = 1555;
const CONSTRAINT_UNIQUE = 2067;

interface SqliteError {
  /** Absent on some errors of Deno's `exec` and constructor. */
  readonly errcode?: number;
  readonly message: string;
}

function codeOf(error: unknown): number {
  const { errcode, message } = error as SqliteError;
  if (errcode !== undefined) return errcode;
  if (message?.includes("database is locked")) return BUSY;
  if (message?.includes("is full")) return FULL;
  if (message?.includes("not a database")) return NOTADB;
  return message?.includes("malformed") ? CORRUPT : 0;
}

/** True when another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  return (codeOf(error) & 0xff) === BUSY;
}

/** True when a row with this key is there already. */
export function isDuplicate(error: unknown): boolean {
  return codeOf(error) === CONSTRAINT_PRIMARYKEY || codeOf(error) === CONSTRAINT_UNIQUE;
}

/** The error to throw for one of SQLite's or the system's about the database at `path`; all others pass unchanged. */
export function storeError(error: unknown, path: string): unknown {
  if (error instanceof TeleError || !(error instanceof Error)) return error;
  if (!isSqlite(error)) return systemError(error, path);
  const code = codeOf(error);
  const cause = { cause: error };
  const said = error.message;
  // When the memory-mapped -shm cannot grow SQLite says IOERR_SHMSIZE, not FULL (os_unix.c, unixShmMap).
  if ((code & 0xff) === FULL || code === IOERR_SHMSIZE) {
    return new TeleError(
      "INSUFFICIENT_STORAGE",
      { detail: `no space left for ${path}`, hint: "free space on that file system; nothing needs to be restarted" },
      cause,
    );
  }
  if ((code & 0xff) === CORRUPT || (code & 0xff) === NOTADB) {
    return new TeleError(
      "FAILED_PRECONDITION",
      {
        detail: `${path} is damaged: ${said}`,
        hint: `restore it from a backup, or move it and its -wal and -shm aside to start with no records; "sqlite3 ${path} .recover" may save the rows`,
      },
      cause,
    );
  }
  if ((code & 0xff) === BUSY) {
    return new TeleError(
      "UNAVAILABLE",
      { detail: `another program holds a lock on ${path}`, hint: "end that program's transaction and try again" },
      cause,
    );
  }
  return new TeleError(
    "INTERNAL",
    { detail: `${path}: ${said}`, hint: "check that its file system is mounted, writable and healthy (dmesg)" },
    cause,
  );
}

function isSqlite(error: Error): boolean {
  return (error as NodeJS.ErrnoException).code === "ERR_SQLITE_ERROR";
}

/** For errors of node:fs; `path` is what could not be used. */
export function systemError(error: Error, path: string): Error {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  const detail = `${path}: ${syscall}: ${code}`;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new TeleError("INSUFFICIENT_STORAGE", { detail, errno: code, hint: "free space there" }, { cause: error });
  }
  return new TeleError(
    "FAILED_PRECONDITION",
    { detail, errno: code, hint: "make it a directory of this user's, or choose another with TELE_STATE_DIR" },
    { cause: error },
  );
}
