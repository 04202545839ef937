/** Runs the command line as a process of its own. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const MAIN = join(import.meta.dirname, "../../src/main.ts");

/** The words that start `tele` from its sources. */
export const TELE = [process.execPath, "--no-install", MAIN] as const;

/** Runs `tele ARGS` to its end, with only this environment beside PATH. */
export function tele(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const [program, ...before] = TELE;
  const child = spawn(program, [...before, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      resolve({ status, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    });
  });
}
