/** Runs probes in a sandbox of some runtime, on a host of their own (host-side.c), and reads what both sides say. */
import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, lstatSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { Built, Probe } from "./build.ts";

/** What became of one probe. `broken`: it could not be tried, which is no proof of anything. */
export interface Outcome extends Probe {
  readonly verdict: "ok" | "LEAK" | "broken";
  readonly saw: string;
}

/** What a runtime is given to run the probes. */
export interface Place {
  /** Everything that belongs to this run; on the host's tree, open to all. */
  readonly directory: string;
  /** A name that nothing else on the machine has. */
  readonly name: string;
  readonly probe: string;
  /** What the probes must find in their environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Something that runs a command in a sandbox. */
export interface Runtime {
  readonly name: string;
  /** Programs and conditions that it needs (`need` of test/support). */
  readonly needs: readonly string[];
  /** Who starts it; root without. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** The command line that runs this one inside; may put files into the place. */
  command(place: Place, inside: readonly string[], limits: boolean): readonly string[];
}

const PROJECT = join(import.meta.dirname, "../..");
const PATIENCE_MS = 150_000;
/** Of the documentation (RFC 5737): nobody else has it. */
const ADDRESS = "198.51.100.57";
/** Probes that may cost the sandbox its life: each gets one of its own. */
const DEADLY = "resources";

/** All probes of these, as this runtime lets them run, in their own order. */
export async function runProbes(built: Built, runtime: Runtime, probes: readonly Probe[]): Promise<Outcome[]> {
  const calm = probes.filter(({ topic }) => topic !== DEADLY);
  const groups = [
    ...(calm.length > 0 ? [calm] : []),
    ...probes.filter((one) => one.topic === DEADLY).map((one) => [one]),
  ];
  const outcomes: Outcome[] = [];
  for (const group of groups) outcomes.push(...(await runOnce(built, runtime, group)));
  return outcomes;
}

async function runOnce(built: Built, runtime: Runtime, probes: readonly Probe[]): Promise<Outcome[]> {
  const deadly = probes[0]?.topic === DEADLY;
  const { text, errors } = await onHost(built, runtime.user, (place) =>
    runtime.command(place, [place.probe, ...probes.map(({ name }) => name)], deadly),
  );
  return judge(probes, text, errors);
}

/** Runs a command on a host of its own: what it and the host's side write. Throws when it takes too long. */
export async function onHost(
  built: Built,
  user: Runtime["user"],
  command: (place: Place) => readonly string[],
): Promise<{ text: string; errors: string }> {
  const directory = mkdtempSync("/var/tmp/tele-escape-");
  const name = basename(directory);
  const mark = `/tmp/${name}-mark`;
  const disk = statSync("/").dev;
  const environment: Record<string, string> = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    PROBE_DIR: directory,
    PROBE_NAME: name,
    PROBE_PROJECT: PROJECT,
    // In the host's /tmp, above and below what its own /tmp covers.
    PROBE_MARK: mark,
    PROBE_KEY: `${name}-key`,
    // Far from the pids of a sandbox.
    PROBE_PID: "30000",
    PROBE_PORT: "7357",
    PROBE_ADDRESS: ADDRESS,
    PROBE_SHM_KEY: "7357",
    // The disk of the host's root, or the first loop device where that is no disk.
    PROBE_MAJOR: String(major(disk) || 7),
    PROBE_MINOR: String(major(disk) ? minor(disk) : 0),
  };
  try {
    chmodSync(directory, 0o755);
    const probe = join(directory, "probe");
    for (const file of ["probe", "set-uid", "with-capabilities"]) {
      copyFileSync(built.probe, join(directory, file));
      chmodSync(join(directory, file), 0o755);
    }
    const line = command({ directory, name, probe, environment });
    const as = user ? ["--user", `${user.uid}:${user.gid}`] : [];
    return await collect(built.hostSide, [directory, ...as, "--", ...line], environment);
  } finally {
    rmSync(directory, { recursive: true, force: true });
    if (lstatSync(mark, { throwIfNoEntry: false })) rmSync(mark);
  }
}

async function collect(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ text: string; errors: string }> {
  const child = spawn(program, [...args], { env: { ...env }, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
  // The host is a pid namespace: with its PID 1 everything in it goes.
  const late = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
  try {
    await new Promise<void>((done, refuse) => {
      child.on("error", refuse);
      child.on("close", () => done());
    });
  } finally {
    clearTimeout(late);
  }
  return { text: Buffer.concat(out).toString(), errors: Buffer.concat(err).toString() };
}

/** What the lines say about each probe; what the host saw outweighs what the probe says. */
export function judge(probes: readonly Probe[], text: string, errors: string): Outcome[] {
  const started = new Set<string>();
  const said = new Map<string, Pick<Outcome, "verdict" | "saw">>();
  let status: string | undefined;
  for (const line of text.split("\n")) {
    const [word = "", name = "", ...rest] = line.trim().split(" ");
    const saw = rest.join(" ");
    if (word === "run") started.add(name);
    else if (word === "status") status = name;
    else if (word === "LEAK") said.set(name, { verdict: "LEAK", saw });
    else if (word === "ok" || word === "broken") said.set(name, { verdict: word, saw });
  }
  const end = `${status === undefined ? "no end" : `status ${status}`}: ${`${text}\n${errors}`.trim().slice(-200)}`;
  return probes.map((probe): Outcome => {
    const known = said.get(probe.name);
    if (known) return { ...probe, ...known };
    if (!started.has(probe.name)) return { ...probe, verdict: "broken", saw: `it never began; ${end}` };
    if (probe.topic !== DEADLY || status === undefined)
      return { ...probe, verdict: "broken", saw: `its sandbox ended; ${end}` };
    return { ...probe, verdict: "ok", saw: `its sandbox was ended with status ${status}` };
  });
}

/** As in glibc's gnu_dev_major: 12 bits, and 20 above. */
function major(device: number): number {
  return Number(((BigInt(device) >> 8n) & 0xfffn) | ((BigInt(device) >> 32n) & 0xfffff000n));
}

function minor(device: number): number {
  return Number((BigInt(device) & 0xffn) | ((BigInt(device) >> 12n) & 0xffffff00n));
}
