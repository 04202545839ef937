/** The records of all jobs, open and closed, in one SQLite file. Memory holds none of them. */
import type { StatementSync } from "node:sqlite";
import { TeleError } from "#errors";
import type { IdRange } from "#host/id-ranges.ts";
import { openDatabase } from "./database.ts";
import { parseCursor, type Position } from "./cursor.ts";
import type { JobPatch, JobRecord } from "./record.ts";
import { COLUMNS, columnsOf, recordOf, type Row, type Value } from "./rows.ts";
import { migrate, rollback } from "./schema.ts";
import { isDuplicate } from "./sqlite-error.ts";

/** Rows read at a time: a statement left open between two rows would hold the log back. */
const PAGE_ROWS = 64;

export interface ListOptions {
  readonly owner?: string;
  /** What `cursorOf` (cursor.ts) says of a job, or the bare id of one that is still there. */
  readonly after?: string;
  readonly descending?: boolean;
}

/**
 * Every change is visible at once and survives the death of this process when the call returns; whoever tells a client
 * of it awaits `durable()` first, for the death of the machine.
 */
export interface Store {
  /** ALREADY_EXISTS when the id is taken; INSUFFICIENT_STORAGE when the disk is full, and then nothing has changed. */
  insert(record: JobRecord): void;
  /** NOT_FOUND when there is none; INSUFFICIENT_STORAGE as above: try again later. */
  update(id: string, patch: JobPatch): void;
  get(id: string): JobRecord | undefined;
  /** In (createNs, id) order; reads on as it is pulled, so jobs that come or go meanwhile may or may not show. */
  list(options?: ListOptions): IterableIterator<JobRecord>;
  /** Every job that is not closed, oldest first. */
  open(): JobRecord[];
  /** Host ids of every job that has some, open or closed. */
  ranges(): IdRange[];
  /** Forgets a job; false when there was none. */
  remove(id: string): boolean;
  /** Many changes as one, all or none: one append to the log instead of one for each. Synchronous work only. */
  transaction<T>(work: () => T): T;
  /** Resolves when everything changed before this call is on disk; rejects for good once the disk has failed. */
  durable(): Promise<void>;
  close(): Promise<void>;
}

/** Opens or creates the store; FAILED_PRECONDITION when it is damaged or of a newer version. */
export function openStore(path: string): Store {
  const database = openDatabase(path, (connection) => migrate(connection, path));
  const { connection } = database;
  const statements = new Map<string, StatementSync>();
  const statement = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known) return known;
    const made = connection.prepare(sql);
    made.setReadBigInts(true);
    statements.set(sql, made);
    return made;
  };
  let inTransaction = false;
  // Set by an error after which SQLite may have rolled the transaction back by itself (SQLITE_FULL, SQLITE_IOERR): what
  // came after it would be committed alone (https://www.sqlite.org/lang_transaction.html, section 3).
  let doomed: Error | undefined;
  const checkNotDoomed = (): void => {
    if (doomed) throw doomed;
  };
  const write = <T>(work: () => T): T => {
    if (!inTransaction) return database.write(work);
    checkNotDoomed();
    try {
      return database.read(work);
    } catch (error) {
      if (!(error instanceof TeleError && error.code === "ALREADY_EXISTS")) doomed = error as Error;
      throw error;
    }
  };

  const insertSql = `INSERT INTO jobs (${COLUMNS.map(quote).join()}) VALUES (${COLUMNS.map(() => "?").join()})`;

  const get = (id: string): JobRecord | undefined => {
    const row = database.read(() => statement("SELECT * FROM jobs WHERE id = ?").get(id));
    return row && recordOf(row);
  };

  const startAfter = (after: string): Position => {
    const position = parseCursor(after) ?? get(after);
    if (position) return position;
    throw new TeleError("INVALID_ARGUMENT", {
      detail: `there is no job ${JSON.stringify(after)} to list after`,
      hint: "list again from the start",
    });
  };

  function* pages(options: ListOptions, first: Position | undefined): IterableIterator<JobRecord> {
    let position = first;
    for (;;) {
      const { sql, values } = pageQuery(options, position);
      const rows: Row[] = database.read(() => statement(sql).all(...values));
      for (const row of rows) {
        const record = recordOf(row);
        position = record;
        yield record;
      }
      if (rows.length < PAGE_ROWS) return;
    }
  }

  return {
    insert: (record) => {
      const columns = columnsOf(record);
      const values = COLUMNS.map((column) => columns[column] ?? null);
      write(() => {
        try {
          statement(insertSql).run(...values);
        } catch (error) {
          throw isDuplicate(error) ? alreadyExists(record.id) : error;
        }
      });
    },
    update: (id, patch) => {
      const columns = Object.entries(columnsOf(patch));
      if (columns.length === 0) return;
      const set = columns.map(([column]) => `${quote(column)} = ?`).join();
      const values = columns.map(([, value]) => value);
      const { changes } = write(() => statement(`UPDATE jobs SET ${set} WHERE id = ?`).run(...values, id));
      if (Number(changes) === 0) throw notFound(id);
    },
    get,
    list: (options = {}) => pages(options, options.after === undefined ? undefined : startAfter(options.after)),
    open: () => {
      const sql = "SELECT * FROM jobs WHERE state = 'RUNNING' ORDER BY create_ns, id";
      const rows: Row[] = database.read(() => statement(sql).all());
      return rows.map((row) => recordOf(row));
    },
    ranges: () => {
      const sql = "SELECT userns_start, userns_count FROM jobs WHERE userns_start IS NOT NULL";
      const rows: Row[] = database.read(() => statement(sql).all());
      return rows.map((row) => ({ start: Number(row["userns_start"]), count: Number(row["userns_count"]) }));
    },
    remove: (id) => Number(write(() => statement("DELETE FROM jobs WHERE id = ?").run(id)).changes) > 0,
    transaction: (work) => {
      if (inTransaction) return work();
      return database.write(() => {
        statement("BEGIN IMMEDIATE").run();
        inTransaction = true;
        doomed = undefined;
        try {
          const result = work();
          checkNotDoomed();
          statement("COMMIT").run();
          return result;
        } catch (error) {
          rollback(connection);
          throw error;
        } finally {
          inTransaction = false;
        }
      });
    },
    durable: () => database.durable(),
    close: () => {
      statements.clear();
      return database.close();
    },
  };
}

function quote(column: string): string {
  return `"${column}"`;
}

function pageQuery(options: ListOptions, position: Position | undefined): { sql: string; values: Value[] } {
  const order = options.descending ? "DESC" : "ASC";
  const conditions: string[] = [];
  const values: Value[] = [];
  if (options.owner !== undefined) {
    conditions.push("owner = ?");
    values.push(options.owner);
  }
  if (position) {
    conditions.push(`(create_ns, id) ${options.descending ? "<" : ">"} (?, ?)`);
    values.push(position.createNs, position.id);
  }
  const where = conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : "";
  const sql = `SELECT * FROM jobs ${where} ORDER BY create_ns ${order}, id ${order} LIMIT ${PAGE_ROWS}`;
  return { sql, values };
}

function alreadyExists(id: string): TeleError {
  return new TeleError("ALREADY_EXISTS", {
    detail: `there is already a job ${id}`,
    resource: `jobs/${id}`,
    hint: "choose another name, or none to get a new one; a closed job's name is free again after it is deleted",
  });
}

function notFound(id: string): TeleError {
  return new TeleError("NOT_FOUND", {
    detail: `there is no job ${id}`,
    resource: `jobs/${id}`,
    hint: "list the jobs that are there",
  });
}
