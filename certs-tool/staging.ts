import * as fs from "node:fs";
import { join } from "node:path";
import { CertError, errnoOf } from "./errors.ts";
import {
  clientFile,
  ensureFolder,
  pathsOf,
  publish,
  readIfThere,
  sweep,
  temporary,
  writeWhole,
  writing,
} from "./files.ts";

/*
 * A new authority is several files, and rename(2) moves one thing at a time. So `init` writes them all into a folder of
 * its own and renames that to `.init`: from then on the authority exists, and moving its files into place only goes
 * forward. Whoever comes next finishes what a killed `init` left. Before that rename nothing is visible.
 */

/** The files of a new authority, as text. */
export interface NewAuthority {
  readonly user: string;
  /** Replaces what is there: `--force`. */
  readonly replace: boolean;
  readonly ca: string;
  readonly caKey: string;
  readonly server: string;
  readonly client: string;
  readonly issued: string;
  readonly revoked: string;
  readonly config: string;
}

interface Plan {
  readonly user: string;
  readonly replace: boolean;
}

/** Writes a new authority and makes it exist, all or nothing; `finishInit` then moves it into place. */
export function stageInit(dir: string, made: NewAuthority): void {
  ensureFolder(dir);
  sweep(dir);
  const stage = temporary(dir);
  const to = pathsOf(stage);
  try {
    writing(stage, () => {
      fs.mkdirSync(stage, { mode: 0o700 });
      fs.mkdirSync(to.clients, { mode: 0o700 });
      writeWhole(to.ca, made.ca, 0o644);
      writeWhole(to.caKey, made.caKey, 0o600);
      writeWhole(to.server, made.server, 0o600);
      writeWhole(clientFile(stage, made.user), made.client, 0o600);
      writeWhole(to.issued, made.issued, 0o600);
      writeWhole(to.revoked, made.revoked, 0o644);
      writeWhole(to.config, made.config, 0o600);
      const plan: Plan = { user: made.user, replace: made.replace };
      writeWhole(join(stage, "plan.json"), JSON.stringify(plan), 0o600);
    });
    commit(stage, pathsOf(dir).init, dir);
  } finally {
    fs.rmSync(stage, { recursive: true, force: true });
  }
}

function commit(stage: string, init: string, dir: string): void {
  try {
    fs.renameSync(stage, init);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== "ENOTEMPTY" && errno !== "EEXIST") throw error;
    throw new CertError("busy", {
      detail: `another "tele cert init" is at work in ${dir}`,
      hint: "look at what it makes: tele cert list",
      path: init,
    });
  }
}

function move(from: string, to: string, replace: boolean): void {
  if (!fs.existsSync(from)) return;
  try {
    publish(from, to, replace);
  } catch (error) {
    // Somebody else is finishing the same `init` and was faster.
    if (error instanceof CertError && error.fields.errno === "ENOENT" && !fs.existsSync(from)) return;
    throw error;
  }
}

/** Moves a staged authority into place, if there is one; tells whether there was. Can be interrupted and repeated. */
export function finishInit(dir: string): boolean {
  const to = pathsOf(dir);
  const text = readIfThere(join(to.init, "plan.json"));
  if (text === undefined) return false;
  const { user, replace } = JSON.parse(text) as Plan;
  const from = pathsOf(to.init);
  const clients = clientFile(dir, user);
  try {
    writing(to.clients, () => {
      fs.mkdirSync(to.clients, { recursive: true, mode: 0o700 });
      // What an authority signed ends with it.
      for (const name of replace ? fs.readdirSync(to.clients) : [])
        if (join(to.clients, name) !== clients) fs.rmSync(join(to.clients, name), { force: true });
    });
    move(from.issued, to.issued, replace);
    move(from.caKey, to.caKey, replace);
    move(from.server, to.server, replace);
    move(clientFile(to.init, user), clients, replace);
    move(from.config, to.config, true);
    // A server that still runs with the authority before must not be told that nothing is revoked any more.
    if (!fs.existsSync(to.revoked)) move(from.revoked, to.revoked, true);
    // Last, because it is what the others are looked for with.
    move(from.ca, to.ca, replace);
  } catch (error) {
    if (error instanceof CertError && error.fault === "exists") discard(to.init, dir);
    throw error;
  }
  discard(to.init, dir);
  return true;
}

/** Removes the stage under a name that `sweep` knows: a removal that is cut short must not be taken for a stage. */
function discard(init: string, dir: string): void {
  const gone = temporary(dir);
  try {
    fs.renameSync(init, gone);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  fs.rmSync(gone, { recursive: true, force: true });
}
