/** Pure: which values go into which files so that a job is held to its limits, and what is then really held. */
import { CPU_PERIOD_US } from "#spec/limits.ts";
import type { EnforcedBy } from "#spec/job.ts";
import { type AskedLimits, CGROUP_LIMITS, type CgroupEnforced, type CgroupFacts, type CgroupLimit } from "./facts.ts";

/** One write into a file of a job's directory below `parent`. */
export interface LimitWrite {
  readonly limit: CgroupLimit;
  readonly parent: string;
  readonly file: string;
  readonly value: string;
  /** Block device it is about: when it alone is refused, the limit still holds on the others. */
  readonly device?: string;
  /** Errors that change nothing about what is held. */
  readonly tolerate?: readonly string[] | "any";
}

/** The writes in order, and what is held when none is refused. */
export interface LimitPlan {
  readonly writes: readonly LimitWrite[];
  readonly enforced: CgroupEnforced;
}

/** A write that the kernel refused. */
export interface Refusal {
  readonly write: LimitWrite;
  readonly errno: string;
}

/** By what a limit is held that nobody asked for. */
export const NOT_ASKED: EnforcedBy = { by: "none", why: "not asked for" };
const UNLIMITED: Planned = { by: NOT_ASKED, writes: [] };

type Planned = { readonly by: EnforcedBy; readonly writes: readonly LimitWrite[] };

/** What a job with these limits gets on this host. */
export function planLimits(facts: CgroupFacts, limits: AskedLimits): LimitPlan {
  const planned: Record<CgroupLimit, Planned> = {
    cpus: planCpus(facts, limits),
    memory: planMemory(facts, limits),
    memoryHigh: planMemoryHigh(facts, limits),
    swap: planSwap(facts, limits),
    pids: planPids(facts, limits),
    io: planIo(facts, limits),
  };
  return {
    writes: CGROUP_LIMITS.flatMap((limit) => planned[limit].writes),
    enforced: byLimit((limit) => planned[limit].by),
  };
}

/** What is held after these refusals: a limit with a refused write is not, unless it holds on other block devices. */
export function settle(plan: LimitPlan, refusals: readonly Refusal[]): CgroupEnforced {
  if (refusals.length === 0) return plan.enforced;
  return byLimit((limit) => {
    const planned = plan.enforced[limit];
    const refused = refusals.filter((refusal) => refusal.write.limit === limit && !tolerated(refusal));
    if (refused.length === 0) return planned;
    const why = [...new Set(refused.map(({ write, errno }) => refusalText(write, errno)))].join("; ");
    const held = plan.writes.filter((write) => write.limit === limit).length > refused.length;
    if (!held || !refused.every(({ write }) => write.device !== undefined)) return { by: "none", why };
    return { by: planned.by, why: planned.why === undefined ? why : `${planned.why}; ${why}` };
  });
}

function tolerated({ write, errno }: Refusal): boolean {
  return write.tolerate === "any" || (write.tolerate?.includes(errno) ?? false);
}

function refusalText(write: LimitWrite, errno: string): string {
  const where = write.device === undefined ? "" : ` for ${write.device}`;
  const meaning = errno === "ENOENT" ? "this kernel has no such file" : errno;
  return `${write.file}${where}: ${meaning}`;
}

function byLimit(of: (limit: CgroupLimit) => EnforcedBy): CgroupEnforced {
  return {
    cpus: of("cpus"),
    memory: of("memory"),
    memoryHigh: of("memoryHigh"),
    swap: of("swap"),
    pids: of("pids"),
    io: of("io"),
  };
}

function planCpus({ holders: { cpu } }: CgroupFacts, { cpus }: AskedLimits): Planned {
  if (cpus === undefined) return UNLIMITED;
  if (cpu.by === "none") return { by: cpu, writes: [] };
  const quota = Math.max(1000, Math.round(cpus * CPU_PERIOD_US)); // the kernel takes no quota below 1 ms
  const write = { limit: "cpus", parent: cpu.parent } as const;
  const writes: LimitWrite[] =
    cpu.by === "cgroup2"
      ? [{ ...write, file: "cpu.max", value: `${quota} ${CPU_PERIOD_US}` }]
      : [
          { ...write, file: "cpu.cfs_period_us", value: String(CPU_PERIOD_US) },
          { ...write, file: "cpu.cfs_quota_us", value: String(quota) },
        ];
  return { by: { by: cpu.by }, writes };
}

function planMemory({ holders: { memory: holder } }: CgroupFacts, { memory }: AskedLimits): Planned {
  if (memory === undefined) return UNLIMITED;
  if (holder.by === "none") return { by: holder, writes: [] };
  const write = { limit: "memory", parent: holder.parent } as const;
  if (holder.by === "cgroup1") {
    return {
      by: { by: holder.by },
      writes: [{ ...write, file: "memory.limit_in_bytes", value: String(memory) }],
    };
  }
  // One process killed out of many leaves a job that runs on broken, and a status that tells nothing. So the whole job
  // goes, as Kubernetes has it since 1.28; v1 and kernels before 4.19 cannot do that, and kill one process.
  const whole = { ...write, file: "memory.oom.group", value: "1", tolerate: "any" } as const;
  return { by: { by: holder.by }, writes: [{ ...write, file: "memory.max", value: String(memory) }, whole] };
}

function planMemoryHigh({ holders: { memory } }: CgroupFacts, { memoryHigh }: AskedLimits): Planned {
  if (memoryHigh === undefined) return UNLIMITED;
  if (memory.by === "none") return { by: memory, writes: [] };
  if (memory.by === "cgroup1") {
    // memory.soft_limit_in_bytes is no substitute: it acts only when the whole host is short of memory.
    return { by: { by: "none", why: "cgroup v1 has nothing that slows a job down before its limit" }, writes: [] };
  }
  const write: LimitWrite = {
    limit: "memoryHigh",
    parent: memory.parent,
    file: "memory.high",
    value: String(memoryHigh),
  };
  return { by: { by: memory.by }, writes: [write] };
}

function planSwap(
  { holders: { memory: holder }, swapAccounting, hostSwap }: CgroupFacts,
  { swap, memory }: AskedLimits,
): Planned {
  if (swap === undefined) return UNLIMITED;
  if (holder.by === "none") return { by: holder, writes: [] };
  if (!swapAccounting) {
    const host = hostSwap ? "" : ", though the host has no swap now";
    return { by: { by: "none", why: `the kernel does not account swap (boot with swapaccount=1)${host}` }, writes: [] };
  }
  // v1 limits the sum alone.
  if (holder.by === "cgroup1" && memory === undefined)
    return { by: { by: "none", why: "cgroup v1 holds swap only together with a limit of memory" }, writes: [] };
  const write = { limit: "swap", parent: holder.parent } as const;
  return {
    by: { by: holder.by },
    writes: [
      holder.by === "cgroup2"
        ? { ...write, file: "memory.swap.max", value: String(swap) }
        : // Memory and swap together; never below memory.limit_in_bytes, which is written before (memory.rst of cgroup-v1).
          { ...write, file: "memory.memsw.limit_in_bytes", value: String((memory ?? 0) + swap) },
    ],
  };
}

function planPids({ holders: { pids: holder } }: CgroupFacts, { pids }: AskedLimits): Planned {
  if (pids === undefined) return UNLIMITED;
  if (holder.by === "none") return { by: holder, writes: [] };
  return {
    by: { by: holder.by },
    writes: [{ limit: "pids", parent: holder.parent, file: "pids.max", value: String(pids) }],
  };
}

/** v1's names of the four rates. */
const THROTTLE = { rbps: "read_bps", wbps: "write_bps", riops: "read_iops", wiops: "write_iops" } as const;

function planIo({ holders, devices }: CgroupFacts, { io }: AskedLimits): Planned {
  if (io === undefined) return UNLIMITED;
  const holder = holders.io;
  if (holder.by === "none") return { by: holder, writes: [] };
  if (devices.length === 0) return { by: { by: "none", why: "the host shows no block device" }, writes: [] };
  const rates = (["rbps", "wbps", "riops", "wiops"] as const).flatMap((name) => {
    const rate = io[name];
    return rate === undefined ? [] : [[name, rate] as const];
  });
  const writes = devices.flatMap(({ name, number }): LimitWrite[] => {
    // ENODEV: unplugged since the facts were read, so there is nothing left to hold.
    const write = { limit: "io", parent: holder.parent, device: name, tolerate: ["ENODEV"] } as const;
    if (holder.by === "cgroup2") {
      return [
        { ...write, file: "io.max", value: [number, ...rates.map(([rate, value]) => `${rate}=${value}`)].join(" ") },
      ];
    }
    return rates.map(([rate, value]) => ({
      ...write,
      file: `blkio.throttle.${THROTTLE[rate]}_device`,
      value: `${number} ${value}`,
    }));
  });
  // Only v2 knows whose dirty pages the kernel writes back later, and only with both controllers (cgroup-v2.rst, Writeback).
  if (holder.by === "cgroup1") {
    const why =
      "cgroup v1 holds reads and direct writes, not buffered ones: the kernel writes those later in its own name";
    return { by: { by: holder.by, why }, writes };
  }
  if (holders.memory.by !== "cgroup2") {
    const why = "buffered writes are not held: that takes the memory controller on cgroup v2 too";
    return { by: { by: holder.by, why }, writes };
  }
  return { by: { by: holder.by }, writes };
}
