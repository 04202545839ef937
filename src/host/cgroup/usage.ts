/** What a job's cgroups say of its use of resources. */
import type { BlockDevice } from "../block-devices.ts";
import type { CgroupFacts, CgroupUsage } from "./facts.ts";
import type { Controller } from "./hierarchies.ts";
import { readKernelFile } from "./kernel-file.ts";

/** Clock ticks a second in what the kernel tells user space: 100 on both our machines (time(7)). */
const TICK_US = 10_000;

/** Reads everything now: about ten small files, opened and closed, since an open one keeps a page of kernel memory each. */
export function readUsage(facts: CgroupFacts, id: string): CgroupUsage {
  const usage: Record<string, number | undefined> = {
    ...cpuTime(facts, id),
    ...throttled(facts, id),
    ...memory(facts, id),
    pids: number(read(facts, "pids", id, "pids.current")),
    ...io(facts, id),
  };
  for (const name of Object.keys(usage)) if (usage[name] === undefined) delete usage[name];
  return usage;
}

/** How many processes of the job the kernel killed for want of memory; undefined when nothing counts them. */
export function readOomKills(facts: CgroupFacts, id: string): number | undefined {
  const file = facts.holders.memory.by === "cgroup2" ? "memory.events" : "memory.oom_control"; // v1: since 4.13
  return field(read(facts, "memory", id, file), "oom_kill");
}

type Part = { readonly [Name in keyof CgroupUsage]?: number | undefined };

function cpuTime(facts: CgroupFacts, id: string): Part {
  if (facts.holders.cpuacct.by === "cgroup2") {
    const stat = read(facts, "cpuacct", id, "cpu.stat");
    return {
      cpuUs: field(stat, "usage_usec"),
      userUs: field(stat, "user_usec"),
      systemUs: field(stat, "system_usec"),
    };
  }
  const nanoseconds = number(read(facts, "cpuacct", id, "cpuacct.usage"));
  const stat = read(facts, "cpuacct", id, "cpuacct.stat");
  return {
    cpuUs: nanoseconds === undefined ? undefined : Math.floor(nanoseconds / 1000),
    userUs: times(field(stat, "user"), TICK_US),
    systemUs: times(field(stat, "system"), TICK_US),
  };
}

function throttled(facts: CgroupFacts, id: string): Part {
  const stat = read(facts, "cpu", id, "cpu.stat");
  if (facts.holders.cpu.by === "cgroup2") return { throttledUs: field(stat, "throttled_usec") };
  const nanoseconds = field(stat, "throttled_time");
  return { throttledUs: nanoseconds === undefined ? undefined : Math.floor(nanoseconds / 1000) };
}

function memory(facts: CgroupFacts, id: string): Part {
  const v2 = facts.holders.memory.by === "cgroup2";
  return {
    memoryBytes: number(read(facts, "memory", id, v2 ? "memory.current" : "memory.usage_in_bytes")),
    memoryPeakBytes: number(read(facts, "memory", id, v2 ? "memory.peak" : "memory.max_usage_in_bytes")), // v2: 5.19
    oomKills: readOomKills(facts, id),
  };
}

function io(facts: CgroupFacts, id: string): Part {
  const stacked = stackedNumbers(facts.devices);
  if (facts.holders.io.by === "cgroup2") return ioStat(read(facts, "io", id, "io.stat"), stacked);
  return blkioBytes(read(facts, "io", id, "blkio.throttle.io_service_bytes"), stacked);
}

/** Devices whose transfers are counted again on those that they are made of. */
function stackedNumbers(devices: readonly BlockDevice[]): ReadonlySet<string> {
  return new Set(devices.filter((device) => device.stacked).map((device) => device.number));
}

/** Sums of v2's `io.stat`: `254:0 rbytes=4096 wbytes=0 rios=1 …`. Undefined text is an absent file. */
export function ioStat(text: string | undefined, stacked: ReadonlySet<string>): Part {
  if (text === undefined) return {};
  let [ioReadBytes, ioWriteBytes] = [0, 0];
  for (const line of text.split("\n")) {
    if (stacked.has(line.slice(0, line.indexOf(" ")))) continue;
    ioReadBytes += Number(/ rbytes=(\d+)/.exec(line)?.[1] ?? 0);
    ioWriteBytes += Number(/ wbytes=(\d+)/.exec(line)?.[1] ?? 0);
  }
  return { ioReadBytes, ioWriteBytes };
}

/** Sums of v1's `blkio.throttle.io_service_bytes`: `254:0 Read 4096`, and totals that we make ourselves. */
export function blkioBytes(text: string | undefined, stacked: ReadonlySet<string>): Part {
  if (text === undefined) return {};
  let [ioReadBytes, ioWriteBytes] = [0, 0];
  for (const line of text.split("\n")) {
    const [device = "", operation, bytes] = line.split(" ");
    if (stacked.has(device)) continue;
    if (operation === "Read") ioReadBytes += Number(bytes);
    if (operation === "Write") ioWriteBytes += Number(bytes);
  }
  return { ioReadBytes, ioWriteBytes };
}

function read(facts: CgroupFacts, controller: Controller, id: string, file: string): string | undefined {
  const holder = facts.holders[controller];
  return holder.by === "none" ? undefined : readKernelFile(`${holder.parent}/${id}/${file}`);
}

/** The number behind a name in a flat keyed file. */
function field(text: string | undefined, name: string): number | undefined {
  const line = text?.split("\n").find((candidate) => candidate.startsWith(`${name} `));
  return number(line?.slice(name.length + 1));
}

function number(text: string | undefined): number | undefined {
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function times(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}
