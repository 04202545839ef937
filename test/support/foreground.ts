/** `tele run` as a process of the shipped binary, and what both root's and an ordinary user's must do. */
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { until } from "./until.ts";

/** The shipped file, or what a runner has put in its place. */
export const BINARY = process.env["TELE_BINARY"] ?? join(import.meta.dirname, "../../dist/tele");

export interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `tele ARGS`; nothing of our environment goes with it but where its caches may be. */
export function startTele(
  args: readonly string[],
  stdio: StdioOptions = "pipe",
  env: RunOptions["env"] = {},
): ChildProcess {
  const kept = Object.fromEntries(
    ["PATH", "HOME", "XDG_RUNTIME_DIR"].flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name]]],
    ),
  );
  return spawn(BINARY, [...args], { env: { ...kept, ...env }, stdio });
}

/** Runs `tele ARGS` to its end. */
export function tele(args: readonly string[], { stdin, env }: RunOptions = {}): Promise<Ran> {
  const child = startTele(args, [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"], env);
  if (stdin !== undefined) child.stdin?.end(stdin);
  return ended(child);
}

/** Collects what a process writes, and how it ends. */
export function ended(child: ChildProcess): Promise<Ran> {
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) =>
      resolve({ status, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
}

/** Runs `tele run FLAGS -- COMMAND`. */
export function run(flags: readonly string[], command: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return tele(["run", ...flags, "--", ...command], options);
}

/** The same with a script of sh. */
export function sh(script: string, flags: readonly string[] = [], options: RunOptions = {}): Promise<Ran> {
  return run(flags, ["sh", "-c", script], options);
}

let marks = 0;

/** A word that no other process of this machine has in its command line. */
export function mark(): string {
  return `mark-${process.pid}-${++marks}-${Date.now()}`;
}

/** Processes with this word in their command line, a tether included, but neither `tele` itself nor zombies. */
export function withMark(word: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "latin1").split("\0");
      return line.some((one) => one.includes(word)) && line[1] !== "run" ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Resolves when nothing of a sandbox is left: no process with the mark, no cgroup. */
export async function nothingLeft(word: string): Promise<void> {
  await until("its processes are gone", () => withMark(word).length === 0);
  await until("its cgroups are gone", () => runCgroups().length === 0);
}

/** Cgroups that a `tele run` of this pid namespace has made, at the root of each hierarchy. */
export function runCgroups(): string[] {
  const namespace = readlinkSync("/proc/self/ns/pid").replaceAll(/\D/g, "");
  const points = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .flatMap((line) => (/^\S+ \S+ cgroup2? /.test(line) ? [line.split(" ")[1] ?? ""] : []));
  return points.flatMap((point) =>
    readdirSync(point)
      .filter((name) => name.startsWith(`tele-run-${namespace}-`))
      .map((name) => join(point, name)),
  );
}

/** Resolves when the output of a running child holds this text. */
export function wrote(child: ChildProcess, text: string): Promise<string> {
  let seen = "";
  return new Promise((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes(text)) resolve(seen);
    });
    child.on("close", () => reject(new Error(`it ended without ${JSON.stringify(text)}: ${seen}`)));
  });
}
