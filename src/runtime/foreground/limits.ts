/** Cgroups of a sandbox that has no daemon: only where limits are asked for, in a place of its own that is gone with it. */
import { openCgroupHost } from "#host/cgroup/host.ts";
import { directoriesIn, removeDirectory } from "#host/cgroup/directories.ts";
import { type AskedLimits, CGROUP_LIMITS, type CgroupEnforced, jobParents } from "#host/cgroup/facts.ts";
import { readHierarchies } from "#host/cgroup/hierarchies.ts";
import type { JobCgroup } from "#host/cgroup/job.ts";
import { NOT_ASKED } from "#host/cgroup/plan.ts";
import { readLink, readText } from "#ffi/files.ts";
import type { Facts } from "#spec/facts.ts";
import type { JobSpec } from "#spec/schema.ts";
import { startTicksOf } from "../tether.ts";

/** The limits of one sandbox, before and while it runs. */
export interface ForegroundLimits {
  /** How its tether gets into them. */
  readonly ways: Facts["cgroup"];
  /** By what each is held when the kernel refuses no write. */
  expected(): CgroupEnforced;
  /** Makes the cgroup. Throws TeleError. */
  create(): Promise<JobCgroup | undefined>;
  /** v2 directory for the tether itself. */
  readonly tethers: number | undefined;
  close(): Promise<void>;
}

const PREFIX = "tele-run-";
const JOB = "job";

const NOTHING: CgroupEnforced = {
  cpus: NOT_ASKED,
  memory: NOT_ASKED,
  memoryHigh: NOT_ASKED,
  swap: NOT_ASKED,
  pids: NOT_ASKED,
  io: NOT_ASKED,
};

/** The limits that a spec asks a cgroup for. A limit of memory that may be swapped out would be none, so swap goes with it. */
export function askedLimits({ limits }: Pick<JobSpec, "limits">): AskedLimits {
  const swap = limits.swap ?? (limits.memory === undefined ? undefined : 0);
  return { ...limits, swap };
}

/** Opens what a spec's limits take: nothing where it has none. Throws TeleError. */
export async function openLimits(spec: Pick<JobSpec, "limits">): Promise<ForegroundLimits> {
  const asked = askedLimits(spec);
  if (CGROUP_LIMITS.every((name) => asked[name] === undefined)) return withoutLimits();
  removeStale();
  const host = await openCgroupHost({ name: ownName() });
  const parents = jobParents(host.facts);
  return {
    ways: {
      v2: parents.some(({ by }) => by === "cgroup2"),
      v1: parents.filter(({ by }) => by === "cgroup1").length,
    },
    expected: () => withSwap(spec, host.enforced(asked)),
    create: () => host.create(JOB, asked),
    tethers: host.tethers,
    close: () => host.close(),
  };
}

/** Swap that was forbidden by us and not by the user is no promise of ours. */
function withSwap({ limits }: Pick<JobSpec, "limits">, held: CgroupEnforced): CgroupEnforced {
  return limits.swap === undefined && held.swap.by === "none" ? { ...held, swap: NOT_ASKED } : held;
}

function withoutLimits(): ForegroundLimits {
  return {
    ways: { v2: false, v1: 0 },
    expected: () => NOTHING,
    create: () => Promise.resolve(undefined),
    tethers: undefined,
    close: () => Promise.resolve(),
  };
}

/** Nobody else's as long as this process lives: pids are those of one pid namespace, and come again with another start. */
function ownName(): string {
  return `${prefix()}${process.pid}-${startTicksOf(process.pid) ?? 0}`;
}

function prefix(): string {
  return `${PREFIX}${readLink("/proc/self/ns/pid").replaceAll(/\D/g, "")}-`;
}

/** Takes away what was left by those who were killed before they could. An rmdir(2) of a cgroup in use fails. */
export function removeStale(): void {
  const { v2, v1 } = readHierarchies(readText("/proc/self/mountinfo"), readText("/proc/self/cgroup"));
  const dead = new RegExp(`^${prefix()}(\\d+)-(\\d+)$`);
  for (const { mount } of [...(v2 ? [v2] : []), ...v1]) {
    for (const name of directoriesIn(mount)) {
      const [, pid, ticks] = dead.exec(name) ?? [];
      if (pid === undefined || startTicksOf(Number(pid)) === Number(ticks)) continue;
      for (const below of [`jobs/${JOB}`, "jobs", "tethers", JOB, "."]) removeDirectory(`${mount}/${name}/${below}`);
      removeDirectory(`${mount}/${name}`);
    }
  }
}
