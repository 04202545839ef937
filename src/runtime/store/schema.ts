/** The tables, and how an older state directory becomes one of today. */
import type { DatabaseSync } from "node:sqlite";
import { TeleError } from "#errors";

/** Step n brings a database of version n to version n + 1; a step that was released is never changed. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE jobs (
    id                 TEXT NOT NULL PRIMARY KEY,
    owner              TEXT NOT NULL,
    spec               TEXT NOT NULL,
    state              TEXT NOT NULL,
    reason             TEXT NOT NULL,
    create_ns          INTEGER NOT NULL,
    start_ns           INTEGER,
    end_ns             INTEGER,
    enforced           TEXT NOT NULL,
    "end"              TEXT,
    tether_pid         INTEGER,
    tether_start_ticks INTEGER,
    tether_boot_id     TEXT,
    restart            TEXT,
    stop_requested_by  TEXT,
    stop_reason        TEXT
  );
  CREATE INDEX jobs_by_time ON jobs (create_ns, id);
  CREATE INDEX jobs_by_owner ON jobs (owner, create_ns, id);
  CREATE INDEX jobs_open ON jobs (create_ns, id) WHERE state = 'RUNNING';`,
  // Ids of user namespaces, in an index of their own so that a start reads nothing else of the jobs. The fields that specs
  // have since then say of an older one that it asked for nothing of the kind.
  `ALTER TABLE jobs ADD COLUMN userns_start INTEGER;
  ALTER TABLE jobs ADD COLUMN userns_count INTEGER;
  CREATE INDEX jobs_userns ON jobs (userns_start, userns_count) WHERE userns_start IS NOT NULL;
  UPDATE jobs SET spec = json_insert(spec, '$.ulimits', json('{}'), '$.root', json('{"type":"host"}'),
    '$.mounts', json('[]'), '$.security', json('{}'));`,
];

/** What this program writes: `PRAGMA user_version`. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** Refuses a database of a newer version (FAILED_PRECONDITION) and migrates one of an older, all steps or none. */
export function migrate(database: DatabaseSync, path: string): void {
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  if (version > SCHEMA_VERSION) {
    throw new TeleError("FAILED_PRECONDITION", {
      detail: `${path} is of version ${version}, and this tele knows versions up to ${SCHEMA_VERSION}`,
      hint: "run the newer tele again, or choose another directory with TELE_STATE_DIR",
    });
  }
  if (version === SCHEMA_VERSION) return;
  const steps = MIGRATIONS.slice(version).join("\n");
  try {
    database.exec(`BEGIN IMMEDIATE;\n${steps}\nPRAGMA user_version = ${SCHEMA_VERSION};\nCOMMIT;`);
  } catch (error) {
    rollback(database);
    throw error;
  }
}

/** Ends a transaction that failed; some errors (SQLITE_FULL, SQLITE_IOERR) have ended it already. */
export function rollback(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // "no transaction is active"
  }
}
