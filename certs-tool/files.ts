import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { CertError, corrupt, errnoOf } from "./errors.ts";

/**
 * Where everything is, below the folder that `configDir` names (0700):
 *
 *     ca.crt             0644  the authority's certificate, for servers and clients alike; there last of all
 *     ca.key             0600  its key (PKCS#8), which only this tool reads
 *     server.pem         0600  key and certificate of the server, in one file
 *     clients/NAME.pem   0600  key and certificate of a user, in one file
 *     issued.jsonl       0600  the index: one certificate a line, appended to, never rewritten
 *     revoked            0644  what servers refuse: one certificate a line, appended to, never rewritten
 *     config.json        0600  the contexts of the command line
 *     .init/             0700  a finished `init` that is being moved into place (see staging.ts)
 *     .tele-tmp-PID-…          what is being written; swept once that process is gone
 *
 * Key and certificate are one file, so that one rename replaces both and no reader meets a pair that does not belong
 * together. TLS stacks take the same text as key and as certificate, as `curl --cert F --key F` does. A server loads it
 * with `loadServer` (load.ts) and `createSecureServer({ key: pem, cert: pem, ca })`; it watches the folder, since a
 * rename is not seen by a watch on the file, and calls `server.setSecureContext({ key: pem, cert: pem, ca })`.
 */
export interface Paths {
  readonly dir: string;
  readonly ca: string;
  readonly caKey: string;
  readonly server: string;
  readonly clients: string;
  readonly issued: string;
  readonly revoked: string;
  readonly config: string;
  readonly init: string;
}

/** The paths below a folder; see `Paths` for what is there. */
export function pathsOf(dir: string): Paths {
  return {
    dir,
    ca: join(dir, "ca.crt"),
    caKey: join(dir, "ca.key"),
    server: join(dir, "server.pem"),
    clients: join(dir, "clients"),
    issued: join(dir, "issued.jsonl"),
    revoked: join(dir, "revoked"),
    config: join(dir, "config.json"),
    init: join(dir, ".init"),
  };
}

/** The file of a user's key and certificate; `name` has passed `parseUser`. */
export function clientFile(dir: string, name: string): string {
  return join(dir, "clients", `${name}.pem`);
}

function refused(fault: "unreadable" | "unwritable", path: string, error: unknown): CertError {
  const errno = errnoOf(error);
  const verb = fault === "unreadable" ? "read" : "written";
  const hint =
    errno === "EACCES" || errno === "EPERM"
      ? "run it as the owner of the folder, or choose another one with --dir"
      : "check the path, or choose another folder with --dir";
  return new CertError(
    fault,
    { detail: `${path} cannot be ${verb}: ${errno || String(error)}`, hint, path, errno },
    { cause: error },
  );
}

/** Runs what writes to `path`, and makes its error one that names the file. */
export function writing<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (error instanceof CertError) throw error;
    throw refused("unwritable", path, error);
  }
}

/** The text of a file, or undefined if there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw refused("unreadable", path, error);
  }
}

/** The text of a file that has to be there. */
export function readText(path: string): string {
  const text = readIfThere(path);
  if (text === undefined) throw refused("unreadable", path, Object.assign(new Error(path), { code: "ENOENT" }));
  return text;
}

/** The text of a file with a key, which nobody but its owner may be able to open. */
export function readSecret(path: string): string {
  const text = readText(path);
  const mode = fs.statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0)
    throw new CertError("exposed", {
      detail: `${path} holds a key and is open to others (mode ${mode.toString(8).padStart(4, "0")})`,
      hint: `chmod 600 ${path}`,
      path,
    });
  return text;
}

/** Makes the folder, for its owner only, unless it is there; refuses one in which everybody could exchange the files. */
export function ensureFolder(dir: string): void {
  writing(dir, () => fs.mkdirSync(dir, { recursive: true, mode: 0o700 }));
  const { mode } = fs.statSync(dir);
  if ((mode & 0o1002) === 0o0002)
    throw new CertError("exposed", { detail: `everybody may write to ${dir}`, hint: `chmod 700 ${dir}`, path: dir });
}

/** A name for what is being written in `dir`; `sweep` knows it again. */
export function temporary(dir: string): string {
  return join(dir, `.tele-tmp-${process.pid}-${randomBytes(8).toString("hex")}`);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== "ESRCH";
  }
}

/** Removes what processes that are gone were writing in `dir`. */
export function sweep(dir: string): void {
  for (const name of fs.existsSync(dir) ? fs.readdirSync(dir) : []) {
    const pid = Number(/^\.tele-tmp-([0-9]+)-[0-9a-f]{16}$/.exec(name)?.[1]);
    if (pid > 0 && !isRunning(pid)) fs.rmSync(join(dir, name), { recursive: true, force: true });
  }
}

function syncFolder(dir: string): void {
  const descriptor = fs.openSync(dir, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Writes a new file whole and durably; `mode` is what it gets whatever the umask is. */
export function writeWhole(path: string, data: string | Uint8Array, mode: number): void {
  const descriptor = fs.openSync(path, "wx", 0o600);
  try {
    fs.writeFileSync(descriptor, data);
    fs.fchmodSync(descriptor, mode);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The error of a file that is in the way. */
export function existsError(path: string): CertError {
  return new CertError("exists", { detail: `${path} exists already`, hint: "add --force to replace it", path });
}

/**
 * Moves a finished file to its name in one step. Without `replace` a file of that name is an error, told by `link(2)`,
 * which unlike a check before `rename(2)` cannot be overtaken.
 */
export function publish(from: string, to: string, replace: boolean): void {
  writing(to, () => {
    if (replace) fs.renameSync(from, to);
    else {
      try {
        fs.linkSync(from, to);
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
        // The same file under both names: a move that was interrupted here before.
        if (fs.statSync(from).ino !== fs.lstatSync(to).ino) throw existsError(to);
      }
      fs.unlinkSync(from);
    }
    syncFolder(dirname(to));
  });
}

/** Writes a file so that readers see the old one or the whole new one; without `replace`, an old one is an error. */
export function writeAtomic(path: string, data: string | Uint8Array, mode: number, replace: boolean): void {
  const dir = dirname(path);
  writing(path, () => {
    fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    sweep(dir);
    const file = temporary(dir);
    try {
      writeWhole(file, data, mode);
      publish(file, path, replace);
    } finally {
      fs.rmSync(file, { force: true });
    }
  });
}

/**
 * Appends lines in one write, which two processes can do at once without losing either's (O_APPEND, open(2)). A last
 * line that somebody left without its end is ended first. `header` begins a file that is not there yet.
 */
export function appendLines(path: string, lines: string, mode: number, header = ""): void {
  writing(path, () => {
    const before = readIfThere(path);
    const start = before === undefined ? header : before === "" || before.endsWith("\n") ? "" : "\n";
    const descriptor = fs.openSync(path, "a", mode);
    try {
      fs.writeSync(descriptor, start + lines);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  });
}

/** The blocks of one kind in a PEM text. */
export function pemBlocks(text: string, label: string): string[] {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, "g")) ?? [];
}

/** The one PEM block of a kind that a file has to have. */
export function pemBlock(text: string, label: string, path: string): string {
  const block = pemBlocks(text, label)[0];
  if (!block)
    throw corrupt(path, `has no "BEGIN ${label}" block`, `restore ${basename(path)} from a copy, or make a new one`);
  return block;
}
