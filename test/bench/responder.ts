/** Talks with a helper process: a line in, a line out. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A process that answers each line with one line. */
export interface Responder {
  ask(line: string): Promise<string>;
  /** Ends its input and waits until it has ended. */
  close(): Promise<void>;
}

/** Starts a program that answers line by line. Throws from `ask` when it ends early. */
export function responder(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Responder {
  const child: ChildProcess = spawn(command, [...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: env ?? process.env,
  });
  if (child.stdout === null || child.stdin === null) throw new Error("no pipes");
  const input = child.stdin;
  const waiting: { done: (line: string) => void; refuse: (why: Error) => void }[] = [];
  let ended: Error | undefined;
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.done(line));
  const closed = new Promise<void>((done) => {
    child.on("error", (why) => {
      ended = why;
    });
    child.on("close", (code) => {
      ended ??= new Error(`${command} ended with ${code}`);
      for (const one of waiting.splice(0)) one.refuse(ended);
      done();
    });
  });
  return {
    ask: (line) =>
      new Promise((done, refuse) => {
        if (ended) return refuse(ended);
        waiting.push({ done, refuse });
        input.write(`${line}\n`);
      }),
    close: () => {
      input.end();
      return closed;
    },
  };
}

/** Compiles one of the C programs of `floor/` into a folder and returns its path. */
export function compile(folder: string, name: string, ...flags: string[]): string {
  const out = join(folder, name);
  const source = join(import.meta.dirname, "floor", `${name}.c`);
  const made = spawnSync("gcc", ["-O2", "-Wall", "-Werror", ...flags, "-o", out, source], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`gcc ${name}.c: ${made.stderr ?? made.error?.message}`);
  return out;
}

/** The flags of a program without a C library. */
export const bare = ["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"] as const;

/** A line of the C programs, `ns status`, as numbers. Throws when the status is not the wanted one. */
export function timed(line: string, wanted = 0): number {
  const [ns = Number.NaN, status] = line.split(" ").map(Number);
  if (status !== wanted) throw new Error(`a measured program ended with ${status} instead of ${wanted}`);
  return ns;
}
