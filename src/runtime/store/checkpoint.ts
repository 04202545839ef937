/**
 * Moves pages from the -wal file to the database file without waiting for the disk on the event loop.
 *
 * SQLite's own automatic checkpoint syncs both files inside the commit that happens to fill the log: 2 to 150 ms. Ours
 * does the same in the same order, with both syncs elsewhere:
 *
 * 1. A second connection, the pin, opens a read transaction: its mark S is the newest commit. As long as it is open no
 *    checkpoint goes beyond S, and nobody starts the log from its beginning again (wal.c: walCheckpoint stops at the
 *    oldest read mark, walRestartLog needs every WAL_READ_LOCK but the first).
 * 2. `durable()`: every frame up to S is on disk. Frames may be added meanwhile.
 * 3. A passive checkpoint with synchronous=OFF copies the frames up to S, a matter of memory only. The rule that the log
 *    must be on disk before the database file changes is kept by step 2.
 * 4. fdatasync of the database file, off the event loop.
 * 5. The pin ends its transaction. If nothing was committed since 1, the next commit starts the log from its beginning,
 *    and SQLite syncs the new header (32 bytes, still in NORMAL) before its frames.
 *
 * After a crash anywhere in between the whole log is there, and all of it is replayed: nBackfill is only in shared
 * memory. Under steady load something is always committed between 1 and 5; then, once the log is long, SQLite does
 * the small rest by itself, with two short syncs.
 */
import type { DatabaseSync } from "node:sqlite";
import { TeleError } from "#errors";
import type { GroupCommit } from "./group-commit.ts";

/** Commits between two checkpoints, of four to six pages each. */
const EVERY_COMMITS = 128;
/** Frames (4 KiB pages) in the log from which on the rest is moved at once: 16 MiB. */
const LONG_LOG = 4096;

export interface Checkpoint {
  /** Starts one in the background when there is enough to move; call after each commit. */
  consider(): void;
  /** Resolves once none is under way. */
  settled(): Promise<void>;
}

export interface CheckpointParts {
  readonly connection: DatabaseSync;
  /** A connection to the same file that is used for nothing else. */
  readonly pin: DatabaseSync;
  readonly commits: GroupCommit;
  /** fdatasync of the database file. */
  readonly syncFile: () => Promise<void>;
}

interface Moved {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}

export function createCheckpoint({ connection, pin, commits, syncFile }: CheckpointParts): Checkpoint {
  const begin = pin.prepare("BEGIN");
  const look = pin.prepare("SELECT count(*) FROM sqlite_schema");
  const end = pin.prepare("COMMIT");
  let last = 0;
  let running: Promise<void> | undefined;

  const move = (): Moved => connection.prepare("PRAGMA wal_checkpoint(PASSIVE)").get() as unknown as Moved;

  const moveUnsynced = (): Moved => {
    connection.exec("PRAGMA synchronous = OFF");
    try {
      return move();
    } finally {
      connection.exec("PRAGMA synchronous = NORMAL");
    }
  };

  const run = async (): Promise<void> => {
    last = commits.count();
    let log = 0;
    try {
      begin.run();
      look.get();
      await commits.durable();
      log = moveUnsynced().log;
      await syncFile();
    } catch (error) {
      if (error instanceof TeleError) {
        // The disk's own failure: what was copied may be lost, so the pin stays, and with it every frame of the log.
        commits.fail(error);
        return;
      }
      // SQLite's (a full disk, a stranger's lock): nothing counts as moved, and the next checkpoint tries again.
    }
    try {
      end.run();
      if (log > LONG_LOG && commits.count() !== last) move();
    } catch {
      // As above; "no transaction is active" when not even the pin could begin.
    }
  };

  return {
    consider: () => {
      if (running || commits.count() - last < EVERY_COMMITS) return;
      running = run().finally(() => {
        running = undefined;
      });
    },
    settled: async () => running,
  };
}
