/**
 * Cuts the power on paper. A disk that loses power has, of each file, what was synced, and of what was written since any
 * part, in any order. So at each moment between two syncs we put together many such disks, sector by sector,
 * and expect every row that `durable()` had promised, on each of them.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createCheckpoint } from "#runtime/store/checkpoint.ts";
import { createGroupCommit } from "#runtime/store/group-commit.ts";

const SECTOR = 512;
const WAL_HEADER = 32;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tele-power-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Reads the database file from another process: closing a descriptor of it in ours would drop SQLite's locks. */
const contentOf = (path: string): Buffer => execFileSync("cat", [path], { maxBuffer: 2 ** 28 });

/** The same sequence each time (Numerical Recipes' generator), so that a failure can be seen again. */
function randomBits(seed: number): () => boolean {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >= 2 ** 31;
  };
}

/** What may be left of a file: each sector as synced or as written since. */
function remains(synced: Buffer, written: Buffer, bit: () => boolean): Buffer {
  const left = Buffer.from(written);
  for (let at = 0; at < left.length; at += SECTOR) {
    if (!bit()) continue;
    const end = Math.min(at + SECTOR, left.length);
    left.fill(0, at, end);
    left.set(synced.subarray(at, end), at);
  }
  return left;
}

function rowBody(n: number): string {
  return `${n} `.repeat(60);
}

/** The rows there are on a disk put together from these files. */
function rowsAfterPowerCut(file: Buffer, wal: Buffer): { rows: number; sound: boolean } {
  const path = join(directory, "after.db");
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  writeFileSync(path, file);
  writeFileSync(`${path}-wal`, wal);
  const database = new DatabaseSync(path);
  try {
    const check = database.prepare("PRAGMA integrity_check").get() as { integrity_check: string };
    const rows = database.prepare("SELECT n, body FROM t ORDER BY n").all() as { n: number; body: string }[];
    return {
      rows: rows.length,
      sound: check.integrity_check === "ok" && rows.every((r, i) => r.n === i && r.body === rowBody(i)),
    };
  } finally {
    database.close();
  }
}

for (const quiet of [true, false]) {
  const load = quiet ? "with pauses, so that the log starts over" : "under a load that never pauses";
  test(`no power cut at a checkpoint loses or damages a durable row, ${load}`, async () => {
    const path = join(directory, "live.db");
    const walPath = `${path}-wal`;
    const connection = new DatabaseSync(path);
    const pin = new DatabaseSync(path);
    connection.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
      CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT, other TEXT UNIQUE); PRAGMA wal_checkpoint(TRUNCATE)`);
    const insert = connection.prepare("INSERT INTO t VALUES (?, ?, hex(randomblob(16)))");

    const bit = randomBits(quiet ? 1 : 2);
    let syncedFile = contentOf(path);
    let syncedWal = Buffer.alloc(0);
    let promised = 0;
    let rows = 0;
    let cuts = 0;
    let startsOver = 0;

    const cutPower = (): void => {
      const wal = readFileSync(walPath);
      // When SQLite starts the log over it syncs the new header before it goes on.
      if (!wal.subarray(0, WAL_HEADER).equals(syncedWal.subarray(0, WAL_HEADER))) {
        startsOver++;
        syncedWal = Buffer.concat([wal.subarray(0, WAL_HEADER), syncedWal.subarray(WAL_HEADER)]);
      }
      const file = contentOf(path);
      // The extremes (all of one file and nothing of the other), then chance.
      const choices: [() => boolean, () => boolean][] = [
        [() => false, () => true],
        [() => true, () => false],
        [() => true, () => true],
        [bit, () => true],
        [bit, bit],
        [bit, bit],
      ];
      for (const [ofFile, ofWal] of choices) {
        const left = rowsAfterPowerCut(remains(syncedFile, file, ofFile), remains(syncedWal, wal, ofWal));
        expect(left.sound).toBe(true);
        expect(left.rows).toBeGreaterThanOrEqual(promised);
        cuts++;
      }
    };
    const write = (): void => {
      insert.run(rows, rowBody(rows));
      rows++;
      commits.written();
    };
    const trickle = (): void => {
      if (quiet) return;
      for (let i = 0; i < 3; i++) write();
    };

    const commits = createGroupCommit(async () => {
      const wal = readFileSync(walPath);
      const covers = rows;
      await new Promise((resolve) => setImmediate(resolve));
      trickle();
      syncedWal = wal;
      promised = covers;
    });
    const checkpoint = createCheckpoint({
      connection,
      pin,
      commits,
      syncFile: async () => {
        const file = contentOf(path);
        cutPower();
        trickle();
        cutPower();
        for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
        syncedFile = file;
      },
    });

    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 130; i++) write();
      checkpoint.consider();
      cutPower();
      trickle();
      cutPower();
      await checkpoint.settled();
      cutPower();
      write();
      cutPower();
      await commits.durable();
      cutPower();
    }
    expect(promised).toBeGreaterThan(3 * 130);
    expect(cuts).toBeGreaterThan(100);
    expect(startsOver).toBeGreaterThanOrEqual(quiet ? 3 : 1);
    pin.close();
    connection.close();
  }, 60_000);
}
