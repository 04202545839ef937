/** Folders of certificates for tests, `tele cert` as a process, and OpenSSL to check both. */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { init } from "#certs/init.ts";

/** How a process ended. */
export interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a program to its end. */
export async function run(
  words: readonly string[],
  options: { readonly input?: string; readonly env?: Record<string, string> } = {},
): Promise<Ended> {
  const [program = "", ...args] = words;
  const child = spawn(program, args, { env: { ...process.env, ...options.env } });
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { status, out, err };
}

/** The words that start `tele cert` on a folder. */
export function certWords(dir: string, ...words: readonly string[]): string[] {
  return [process.execPath, join(import.meta.dirname, "cert-main.ts"), ...words, "--dir", dir];
}

/** Runs `tele cert` on a folder. */
export function cert(dir: string, ...words: readonly string[]): Promise<Ended> {
  return run(certWords(dir, ...words));
}

/** Temporary folders that are gone when their user is. */
export function tempFolders(): { readonly make: () => string; readonly remove: () => void } {
  const made: string[] = [];
  return {
    make() {
      const dir = mkdtempSync(join(tmpdir(), "tele-cert-"));
      made.push(dir);
      return dir;
    },
    remove() {
      for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
    },
  };
}

const patterns = new WeakMap<object, Promise<string>>();

/** A folder in which `tele cert init` has been run; copies of one, since nothing in it names where it is. */
export async function initialised(folders: ReturnType<typeof tempFolders>): Promise<string> {
  let pattern = patterns.get(folders);
  if (!pattern) {
    const made = folders.make();
    pattern = init({ dir: made }).then(() => made);
    patterns.set(folders, pattern);
  }
  const dir = join(folders.make(), "tele");
  cpSync(await pattern, dir, { recursive: true });
  return dir;
}

/** What `openssl verify` says of a certificate for a purpose, as strict as it can be. */
export async function verify(dir: string, purpose: "sslserver" | "sslclient", file: string): Promise<string> {
  const words = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", join(dir, "ca.crt"), file];
  const { out, err } = await run(words);
  return out + err;
}

/** Every file below a folder, by its path from there, with its content. */
export function contents(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(paths.map((path) => [path.slice(dir.length), readFileSync(path, "utf8")]));
}
