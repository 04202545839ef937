/** The flags that describe a job, and the JobSpec that they make. */
import { readFileSync } from "node:fs";
import { REQUIRE_NAMES, type RequireName } from "#spec/job.ts";
import { parseSize } from "#spec/quantity.ts";
import type { JobSpecInput } from "#spec/schema.ts";
import type { Flags, Values } from "./command.ts";
import { durationValue } from "./duration.ts";
import { nearest } from "./nearest.ts";
import { SANDBOX_FLAGS, sandboxOf } from "./sandbox-flags.ts";
import { usageError } from "./usage-error.ts";

const LIMITS = "Limits";

export const JOB_FLAGS = {
  env: {
    type: "string",
    alias: "e",
    repeat: true,
    valueHint: "KEY[=VALUE]",
    description: "Set a variable; KEY alone takes ours",
  },
  "env-file": {
    type: "string",
    repeat: true,
    valueHint: "FILE",
    description: "Variables, one KEY=VALUE a line",
    completes: "file",
  },
  "clear-env": { type: "boolean", description: "Nothing but -e and --env-file, not even PATH and HOME" },
  workdir: {
    type: "string",
    alias: ["w", "chdir"],
    valueHint: "DIR",
    description: "Directory to start in (default /)",
  },
  user: { type: "string", alias: "u", valueHint: "NAME|UID[:GID]", description: "Who runs it (default 0)" },
  hostname: { type: "string", valueHint: "NAME", description: "Host name it sees (default sandbox)" },
  label: { type: "string", alias: "l", repeat: true, valueHint: "KEY=VALUE", description: "Set a label" },
  timeout: {
    type: "string",
    group: LIMITS,
    valueHint: "TIME",
    description: "Stop it after this time, such as 30s or 2h",
  },
  cpus: { type: "string", group: LIMITS, valueHint: "N", description: "CPUs it may use (default 0.1)" },
  memory: { type: "string", group: LIMITS, alias: "m", valueHint: "SIZE", description: "Most memory (default 512Mi)" },
  "memory-high": {
    type: "string",
    group: LIMITS,
    valueHint: "SIZE",
    description: "Memory above which it is slowed (default 384Mi)",
  },
  swap: { type: "string", group: LIMITS, valueHint: "SIZE", description: "Most swap (default 0)" },
  pids: { type: "string", group: LIMITS, valueHint: "N", description: "Most processes (default 512)" },
  nofile: { type: "string", group: LIMITS, valueHint: "N", description: "Most open files (default 1024)" },
  "output-limit": {
    type: "string",
    group: LIMITS,
    valueHint: "SIZE",
    description: "Most output that is kept (default 1Gi)",
  },
  io: {
    type: "string",
    group: LIMITS,
    repeat: true,
    valueHint: "KEY=N,...",
    description: "Disk rates, such as rbps=80Mi,wiops=500",
  },
  require: {
    type: "string",
    group: LIMITS,
    repeat: true,
    valueHint: "NAME,...",
    description: "Do not start unless these limits and hardenings hold",
  },
  ...SANDBOX_FLAGS,
} as const satisfies Flags;

const IO_KEYS = ["rbps", "wbps", "riops", "wiops"] as const;

/** What to send for these flags: only what was asked for. INVALID_ARGUMENT names the flag at fault. */
export async function toSpec(
  flags: Values<typeof JOB_FLAGS>,
  command: readonly string[],
  ours: NodeJS.ProcessEnv,
): Promise<JobSpecInput> {
  if (flags.nofile !== undefined && flags.ulimit.some((word) => word.startsWith("nofile=")))
    throw usageError("--nofile contradicts --ulimit nofile", "leave one of them out");
  const spec: JobSpecInput = { command: [...command], ...(await sandboxOf(flags)) };
  const env = { ...filesEnv(flags["env-file"], ours), ...pairs("--env", flags.env, ours) };
  if (Object.keys(env).length > 0) spec.env = env;
  if (flags["clear-env"]) spec.clearEnv = true;
  const labels = pairs("--label", flags.label, {});
  if (Object.keys(labels).length > 0) spec.labels = labels;
  if (flags.workdir !== undefined) spec.workdir = flags.workdir;
  if (flags.user !== undefined) spec.user = flags.user;
  if (flags.hostname !== undefined) spec.hostname = flags.hostname;
  if (flags.timeout !== undefined) spec.timeout = durationValue("--timeout", flags.timeout);
  const limits = await toLimits(flags);
  if (Object.keys(limits).length > 0) spec.limits = limits;
  if (flags.require.length > 0) spec.require = await toRequire(flags.require);
  return spec;
}

/** `KEY=VALUE` words as a record; a key alone takes the value of `ours`, and is left out when that has none. */
function pairs(flag: string, words: readonly string[], ours: NodeJS.ProcessEnv): Record<string, string> {
  const record: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf("=");
    if (at === 0 || word === "")
      throw usageError(`${flag} ${JSON.stringify(word)} has no name`, `write it as in: ${flag} KEY=VALUE`);
    if (at > 0) record[word.slice(0, at)] = word.slice(at + 1);
    else if (flag === "--label") record[word] = "";
    else if (ours[word] !== undefined) record[word] = ours[word];
  }
  return record;
}

/** As docker reads them: `#` begins a comment line, nothing is quoted, later lines win. */
function filesEnv(files: readonly string[], ours: NodeJS.ProcessEnv): Record<string, string> {
  const words = files.flatMap((file) => {
    try {
      const lines = readFileSync(file, "utf8").split(/\r?\n/);
      return lines.map((line) => line.trimStart()).filter((line) => line !== "" && !line.startsWith("#"));
    } catch (error) {
      throw usageError(`--env-file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
    }
  });
  return pairs("--env-file", words, ours);
}

async function toLimits(flags: Values<typeof JOB_FLAGS>): Promise<NonNullable<JobSpecInput["limits"]>> {
  const limits: NonNullable<JobSpecInput["limits"]> = {};
  if (flags.cpus !== undefined) limits.cpus = numberValue("--cpus", flags.cpus, "0.5");
  if (flags.pids !== undefined) limits.pids = numberValue("--pids", flags.pids, "512");
  if (flags.nofile !== undefined) limits.nofile = numberValue("--nofile", flags.nofile, "1024");
  if (flags.memory !== undefined) limits.memory = sizeValue("--memory", flags.memory);
  if (flags["memory-high"] !== undefined) limits.memoryHigh = sizeValue("--memory-high", flags["memory-high"]);
  if (flags.swap !== undefined) limits.swap = sizeValue("--swap", flags.swap);
  if (flags["output-limit"] !== undefined) limits.output = sizeValue("--output-limit", flags["output-limit"]);
  if (flags.io.length > 0) limits.io = await toIo(flags.io);
  return limits;
}

async function toIo(words: readonly string[]): Promise<Partial<Record<(typeof IO_KEYS)[number], string>>> {
  const io: Partial<Record<(typeof IO_KEYS)[number], string>> = {};
  for (const part of words.flatMap((word) => word.split(","))) {
    const [key = "", value = ""] = part.split("=", 2);
    const known = IO_KEYS.find((one) => one === key);
    if (known === undefined) {
      const meant = await nearest(key, IO_KEYS);
      throw usageError(
        `--io does not know ${JSON.stringify(key)}`,
        meant ? `did you mean ${meant}?` : "write it as in: --io rbps=80Mi,wiops=500",
      );
    }
    io[known] = sizeValue(`--io ${known}`, value);
  }
  return io;
}

async function toRequire(words: readonly string[]): Promise<RequireName[]> {
  const names: RequireName[] = [];
  for (const word of words.flatMap((one) => one.split(","))) {
    const name = REQUIRE_NAMES.find((one) => one === word || kebab(one) === word);
    if (name === undefined) {
      const meant = await nearest(word, REQUIRE_NAMES);
      throw usageError(
        `--require does not know ${JSON.stringify(word)}`,
        meant ? `did you mean ${meant}?` : `there are ${REQUIRE_NAMES.join(", ")}`,
      );
    }
    names.push(name);
  }
  return names;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function numberValue(flag: string, text: string, example: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw usageError(`${flag} must be a number, not ${JSON.stringify(text)}`, `write it as in: ${flag} ${example}`);
}

function sizeValue(flag: string, text: string): string {
  if (parseSize(text) !== undefined) return text;
  throw usageError(
    `${flag} must be a size, not ${JSON.stringify(text)}`,
    "write a number of bytes, or as in 512Mi or 1.5Gi",
  );
}
