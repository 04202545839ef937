/** The flags of `tele run` and `tele plan`, and what they make of them. */
import { type Fault, TeleError } from "#errors";
import { isTerminal } from "#ffi/terminal.ts";
import { plainSpec } from "#runtime/foreground/plain-spec.ts";
import { type Foreground, type ForegroundOptions, prepareForeground } from "#runtime/foreground/prepare.ts";
import { CGROUP_LIMITS } from "#host/cgroup/facts.ts";
import type { Enforced } from "#spec/job.ts";
import type { JobSpec, JobSpecInput } from "#spec/schema.ts";
import type { Flags, Values } from "./command.ts";
import { inFlags } from "./flag-faults.ts";
import type { Globals } from "./globals.ts";
import { JOB_FLAGS, toSpec } from "./job-flags.ts";
import { shellLine } from "./shell.ts";
import { usageError } from "./usage-error.ts";

const { label: _label, "output-limit": _output, cpus, memory, swap, pids, ...COMMON } = JOB_FLAGS;

export const FOREGROUND_FLAGS = {
  ...COMMON,
  "memory-high": { ...COMMON["memory-high"], description: "Memory above which it is slowed" },
  cpus: { ...cpus, description: "CPUs it may use" },
  memory: { ...memory, description: "Most memory; without --swap it is not swapped out" },
  swap: { ...swap, description: "Most swap" },
  pids: { ...pids, description: "Most processes" },
  subids: {
    type: "boolean",
    group: JOB_FLAGS.userns.group,
    description: "As an ordinary user: ids of /etc/subuid and /etc/subgid too, not one alone",
  },
} as const satisfies Flags;

type ForegroundValues = Values<typeof FOREGROUND_FLAGS>;

export interface Asked {
  /** How the command is called. */
  readonly path: string;
  readonly flags: ForegroundValues;
  readonly globals: Globals;
  readonly command: readonly string[];
  /** Stays in our terminal's session. */
  readonly sameSession?: boolean;
  readonly learn?: boolean;
}

/** Prepares what the flags ask for. INVALID_ARGUMENT with every fault, each under its flag. */
export async function prepareAsked(asked: Asked): Promise<Foreground> {
  const { path, flags, globals, command, sameSession = false, learn = false } = asked;
  try {
    refuseServers(path, globals, command);
    const input = await toSpec({ ...flags, label: [], "output-limit": undefined }, command, process.env);
    const terminal = process.env["TERM"];
    if (terminal !== undefined && !flags["clear-env"] && isTerminal(1)) input.env = { TERM: terminal, ...input.env };
    const options = { ...(await foregroundOptions(flags)), learn };
    const { spec, faults } = await validated(input);
    if (spec && sameSession) spec.security = { ...spec.security, newSession: false };
    if (faults.length === 0 && spec) return await prepareForeground(spec, options);
    throw await withHostFaults(faults, spec, options);
  } catch (error) {
    throw await inFlags(error, flags, path);
  }
}

interface Validated {
  /** What of it is right; undefined where that is nothing. */
  readonly spec: JobSpec | undefined;
  readonly faults: readonly Fault[];
}

async function validated(input: JobSpecInput): Promise<Validated> {
  const plain = plainSpec(input);
  if (plain) return { spec: plain, faults: [] };
  const [{ JobSpecSchema }, { faultsOf }, { soundPart }] = await Promise.all([
    import("#spec/schema.ts"),
    import("#api/problem.ts"),
    import("#spec/sound-part.ts"),
  ]);
  const parsed = JobSpecSchema.safeParse(input, { reportInput: true });
  if (parsed.success) return { spec: parsed.data, faults: [] };
  return { spec: soundPart(input, parsed.error), faults: faultsOf(parsed.error, JobSpecSchema) };
}

/** Whoever made one mistake hears of the others too, as far as what is right can be held against this host. */
async function withHostFaults(
  faults: readonly Fault[],
  spec: JobSpec | undefined,
  options: ForegroundOptions,
): Promise<TeleError> {
  const more: Fault[] = [];
  try {
    if (spec) await (await prepareForeground(spec, options)).close();
  } catch (error) {
    if (error instanceof TeleError) more.push(...(error.fields.faults ?? []));
  }
  const all = [...faults, ...more];
  return new TeleError("INVALID_ARGUMENT", { detail: `${all.length} faults`, faults: all });
}

/** Where our own state and keys are: no sandbox sees them. */
async function foregroundOptions(flags: ForegroundValues): Promise<ForegroundOptions> {
  const [{ configDir }, { stateDirectoryPath }, { homedir }, { realpathSync }] = await Promise.all([
    import("#certs/context.ts"),
    import("#runtime/state-path.ts"),
    import("node:os"),
    import("node:fs"),
  ]);
  const uid = process.geteuid?.() ?? 0;
  const directories = [stateDirectoryPath(process.env, uid), configDir(process.env, uid, homedir())];
  const hide = directories.map((directory) => {
    try {
      // As the kernel shows it: what is behind a symbolic link is hidden under its own name.
      return realpathSync(directory);
    } catch {
      return directory;
    }
  });
  return { hide, subids: flags.subids };
}

function refuseServers(path: string, { host, context, curl }: Globals, command: readonly string[]): void {
  const line = shellLine(command);
  const where = host === undefined ? (context === undefined ? undefined : `--context ${context}`) : `--host ${host}`;
  if (where !== undefined)
    throw usageError(
      `\`${path}\` is about this host and this process, not about a server`,
      `start it on the server with: tele start ${where} -- ${line}`,
    );
  if (curl)
    throw usageError(
      `\`${path}\` asks no server, so there is no curl line`,
      `see that of: tele start --curl -- ${line}`,
    );
}

const FLAG_OF: Readonly<Record<(typeof CGROUP_LIMITS)[number], keyof ForegroundValues>> = {
  cpus: "cpus",
  memory: "memory",
  memoryHigh: "memory-high",
  swap: "swap",
  pids: "pids",
  io: "io",
};

/** A line for each limit that was asked for and is not held, with the way out. */
export function unheldLimits(flags: ForegroundValues, enforced: Enforced): string[] {
  return CGROUP_LIMITS.flatMap((name) => {
    const flag = FLAG_OF[name];
    const asked = flags[flag];
    const held = enforced[name];
    if (held.by !== "none" || asked === undefined || (Array.isArray(asked) && asked.length === 0)) return [];
    return [`tele: --${flag} is not held: ${held.why ?? "not available"}; ${remedy(name)}`];
  });
}

/** How an ordinary user gets limits. */
export const DELEGATION = "start tele in a cgroup of its own: systemd-run --user --scope -p Delegate=yes tele run ...";

function remedy(name: (typeof CGROUP_LIMITS)[number]): string {
  if (name === "memoryHigh" || name === "swap" || process.geteuid?.() === 0) return "see: tele doctor";
  return DELEGATION;
}
