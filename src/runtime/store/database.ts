/**
 * One SQLite database whose commits never wait for the disk, and which still can say when they are there.
 *
 * SQLite alone offers synchronous=FULL: each commit calls fsync on the thread that commits, here the event loop. With
 * synchronous=NORMAL a commit only appends frames to the -wal file, and we sync that file ourselves, off the event
 * loop, one fdatasync for all commits before it. Why that is enough:
 *
 * - A commit is in the -wal file, whole, before the commit returns; each frame carries a checksum chained to all frames
 *   before it, and recovery stops at the first that does not match (https://www.sqlite.org/fileformat2.html#walformat).
 *   So what counts is that the frames, and the header whose salts they repeat, have reached the disk: fdatasync(2) of
 *   the file does that, through whichever descriptor it is called, with the file's size if that is needed to read it.
 * - The name of the file is in its directory for as long as a connection is open (the last one to close removes it), and
 *   that directory is synced once, when we open.
 * - After a checkpoint the -wal file is written from its start again, over frames that the database file now has. That
 *   begins only once nBackfill equals mxFrame, which SQLite stores after it has synced the database file (wal.c,
 *   walCheckpoint; https://www.sqlite.org/pragma.html#pragma_synchronous: in NORMAL "the WAL file is synchronized before
 *   each checkpoint and the database file is synchronized after each completed checkpoint and the WAL file header is
 *   synchronized when a WAL file begins to be reused"). So a commit that is no longer in the -wal file is in a synced
 *   database file, and one that still is there is covered by our fdatasync. Our own checkpoints keep that order with
 *   syncs off the event loop; see checkpoint.ts.
 *
 * A trap: POSIX locks belong to the process and the inode, and closing *any* descriptor of the file drops them all
 * (fcntl(2), https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
 * SQLite locks the database file and -shm, never -wal. So our descriptor of -wal is harmless, and the one of the
 * database file, which checkpoints sync, is closed only after the last connection; nobody may open these paths besides.
 */
import { closeSync, constants, fdatasync as fdatasyncCallback, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { TeleError } from "#errors";
import { createCheckpoint } from "./checkpoint.ts";
import { createGroupCommit } from "./group-commit.ts";
import { storeError } from "./sqlite-error.ts";

const fdatasync = promisify(fdatasyncCallback);

/** Pages kept in memory, in KiB: the upper levels of the trees of 100,000 jobs; the rest is in the kernel's cache. */
const CACHE_KIB = 512;
/** How long a commit waits for a stranger's transaction (an administrator's sqlite3), in milliseconds. */
const BUSY_MS = 100;

export interface Database {
  readonly connection: DatabaseSync;
  /** Does one write (a statement, or a whole transaction) and notes that there is something to sync. */
  write<T>(work: () => T): T;
  /** Does what only reads. */
  read<T>(work: () => T): T;
  /** Resolves when every write before this call is on disk. */
  durable(): Promise<void>;
  /** Waits for the disk and closes; after it nothing may be called. */
  close(): Promise<void>;
}

/** Opens or creates the database at `path`, mode 0600; `prepare` checks it and makes its tables. Throws TeleErrors. */
export function openDatabase(path: string, prepare: (connection: DatabaseSync) => void): Database {
  const descriptors: number[] = [];
  const connections: DatabaseSync[] = [];
  const releaseAll = (): void => {
    for (const connection of connections.splice(0)) connection.close();
    for (const descriptor of descriptors.splice(0)) closeSync(descriptor);
  };
  const connect = (): DatabaseSync => {
    const connection = new DatabaseSync(path, { timeout: BUSY_MS });
    connections.push(connection);
    return connection;
  };
  try {
    // The -wal and -shm files get the mode of the database file (os_unix.c, findCreateFileMode).
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    descriptors.push(file);
    const pin = connect();
    const connection = connect();
    connection.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
    pin.exec("PRAGMA cache_size = 1");
    // First, as it may refuse: then nothing has been written.
    prepare(connection);
    useWal(connection, path);
    const wal = openSync(`${path}-wal`, constants.O_RDWR);
    descriptors.push(wal);
    syncDirectory(dirname(path));
    return start({ path, file, wal, pin, connection, releaseAll });
  } catch (error) {
    releaseAll();
    throw storeError(error, path);
  }
}

function useWal(connection: DatabaseSync, path: string): void {
  const row = connection.prepare("PRAGMA journal_mode = WAL").get() as { journal_mode: string };
  if (row.journal_mode !== "wal") {
    throw new TeleError("FAILED_PRECONDITION", {
      detail: `${path}: SQLite cannot use a write-ahead log there (journal mode ${row.journal_mode})`,
      hint: "choose a directory on a local file system with TELE_STATE_DIR",
    });
  }
  connection.exec("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0");
  // A first write transaction, so that the -wal file is there to be opened.
  connection.exec("BEGIN IMMEDIATE; COMMIT");
}

function syncDirectory(path: string): void {
  const directory = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

interface Opened {
  readonly path: string;
  readonly file: number;
  readonly wal: number;
  readonly pin: DatabaseSync;
  readonly connection: DatabaseSync;
  readonly releaseAll: () => void;
}

function start({ path, file, wal, pin, connection, releaseAll }: Opened): Database {
  const sync = async (descriptor: number, name: string): Promise<void> => {
    try {
      await fdatasync(descriptor);
    } catch (error) {
      throw diskFailed(name, error as NodeJS.ErrnoException);
    }
  };
  const commits = createGroupCommit(() => sync(wal, `${path}-wal`));
  const checkpoint = createCheckpoint({ connection, pin, commits, syncFile: () => sync(file, path) });
  const read = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw storeError(error, path);
    }
  };
  return {
    connection,
    read,
    write: (work) => {
      commits.check();
      const result = read(work);
      commits.written();
      checkpoint.consider();
      return result;
    },
    durable: () => commits.durable(),
    close: async () => {
      try {
        await checkpoint.settled();
        await commits.durable();
      } catch {
        // The disk failed, and those who asked know. Closing would checkpoint frames that may be wrong in the page
        // cache by now; left open, the -wal file stays, and the next start checks every frame of it.
        return;
      }
      releaseAll();
    },
  };
}

function diskFailed(name: string, error: NodeJS.ErrnoException): TeleError {
  return new TeleError(
    "INTERNAL",
    {
      detail: `the disk did not take ${name}: fdatasync: ${error.code ?? error.message}`,
      ...(error.code !== undefined && { errno: error.code }),
      hint: "check the disk (dmesg), then restart tele: it reads back what is whole",
    },
    { cause: error },
  );
}
