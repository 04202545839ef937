/** Folders of certificates for tests, `tele cert` as a process, and OpenSSL to check both. */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
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

let pattern: Promise<string> | undefined;

/** A folder in which `tele cert init` has been run; copies of one, since nothing in it names where it is. */
export async function initialised(folders: ReturnType<typeof tempFolders>): Promise<string> {
  pattern ??= (async () => {
    const dir = mkdtempSync(join(tmpdir(), "tele-cert-pattern-"));
    process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
    await init({ dir });
    return dir;
  })();
  const dir = join(folders.make(), "tele");
  cpSync(await pattern, dir, { recursive: true });
  return dir;
}
