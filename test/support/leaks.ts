/** What must not be left behind: mounts, cgroups of our name, descriptors, tethers and what runs below them, directories of jobs. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { TETHER_FD } from "#program/descriptors.ts";
import { until } from "./until.ts";

/** Where a test lives. */
export interface Place {
  /** Name of our directory in each cgroup hierarchy. */
  readonly cgroupName: string;
  readonly stateDirectory: string;
}

/** The kernel takes mount and network namespaces apart after the last process has gone, on its own time. */
const SETTLE_MS = 15_000;

/** Runs the body and fails when something of it is still there a moment later. */
export async function expectNoLeaks<T>(place: Place, body: () => Promise<T>): Promise<T> {
  const mounts = new Set(mountLines());
  const before = descriptors();
  const result = await body();
  let left: string[] = [];
  const settled = until(
    "everything is given back",
    () => (left = leftovers(place, mounts, before)).length === 0,
    SETTLE_MS,
  );
  await settled.catch((error: unknown) => {
    throw new Error(`left behind:\n  ${left.join("\n  ")}`, { cause: error });
  });
  return result;
}

function leftovers(place: Place, mounts: ReadonlySet<string>, before: ReadonlyMap<string, number>): string[] {
  return [
    ...mountLines().flatMap((line) => (mounts.has(line) || isOthers(line, place) ? [] : `mount ${line}`)),
    ...cgroupsOf(place.cgroupName).map((path) => `cgroup ${path}`),
    ...[...descriptors()].flatMap(([target, count]) => {
      const more = count - (before.get(target) ?? 0);
      return more > 0 ? `descriptor ${target} (${more} more)` : [];
    }),
    ...tethersOf(place.stateDirectory).map((pid) => `tether ${pid}`),
    ...jobDirectories(place.stateDirectory).map((id) => `directory of job ${id}`),
  ];
}

/** Whoever else tests on this machine may mount in temporary folders of their own; a sandbox's mounts lie elsewhere. */
function isOthers(line: string, { stateDirectory }: Place): boolean {
  const point = line.split(" ")[4] ?? "";
  return point.startsWith(`${tmpdir()}/`) && !point.startsWith(`${dirname(stateDirectory)}/`);
}

/** Mounts of this process's namespace. */
function mountLines(): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8").trimEnd().split("\n");
}

/** Directories of this name in every mounted hierarchy, however deep. */
export function cgroupsOf(name: string): string[] {
  const points = mountLines().flatMap((line) => {
    const [fields = "", rest = ""] = line.split(" - ");
    return /^cgroup2?\s/.test(rest) ? [fields.split(" ")[4] ?? ""] : [];
  });
  return points.flatMap((point) => [join(point, name), join(point, name, "jobs")]).filter((path) => isThere(path));
}

/** How many jobs have a cgroup below this name in any hierarchy, ours of v2 apart. */
export function jobCgroups(name: string): string[] {
  const own = new Set(["jobs", "tethers"]);
  return cgroupsOf(name).flatMap((path) =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !own.has(entry.name))
      .map((entry) => join(path, entry.name)),
  );
}

/** How often each target of this process's descriptors is open; Bun's own timers and pollers come and go and are not counted. */
export function descriptors(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const number of readdirSync("/proc/self/fd")) {
    const target = link(`/proc/self/fd/${number}`);
    if (target === undefined || /^\/proc\/(?:self|\d+)\/fd$/.test(target)) continue;
    // Anonymous ones have one name for all; pipes and sockets have a number each.
    counts.set(target, (counts.get(target) ?? 0) + 1);
  }
  return counts;
}

/** Pids of processes whose executable is a tether's and whose exit record lies below this directory. */
export function tethersOf(stateDirectory: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || !link(`/proc/${name}/exe`)?.startsWith("/memfd:tele-tether")) return [];
    return link(`/proc/${name}/fd/${TETHER_FD.record}`)?.startsWith(`${stateDirectory}/`) ? [Number(name)] : [];
  });
}

/** Pids of everything in the pid namespace of a process, zombies included. */
export function pidsBeside(pid: number): number[] {
  const namespace = link(`/proc/${pid}/ns/pid`);
  if (namespace === undefined) return [];
  return readdirSync("/proc").flatMap((name) =>
    /^\d+$/.test(name) && link(`/proc/${name}/ns/pid`) === namespace ? [Number(name)] : [],
  );
}

function jobDirectories(stateDirectory: string): string[] {
  const jobs = join(stateDirectory, "jobs");
  return isThere(jobs) ? readdirSync(jobs) : [];
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
