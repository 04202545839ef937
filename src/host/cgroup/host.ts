/** Cgroups of this host: opened once by the daemon, then one set of directories for each job. */
import { closeSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { TeleError } from "#errors";
import { blockDeviceNames, readBlockDevices } from "../block-devices.ts";
import { type Claim, claimPlace, type Place } from "./claim.ts";
import { directoriesIn } from "./directories.ts";
import { type AskedLimits, type CgroupEnforced, type CgroupFacts, jobParents } from "./facts.ts";
import { readHierarchies } from "./hierarchies.ts";
import { type JobCgroup, jobCgroup, removeTree } from "./job.ts";
import { errnoOf, openDirectory, readKernelFile, writeKernelFile } from "./kernel-file.ts";
import { type LimitPlan, planLimits, type Refusal, settle } from "./plan.ts";
import { readEnforced } from "./read-enforced.ts";

/** The cgroups of this host, as far as they are ours. */
export interface CgroupHost {
  readonly facts: CgroupFacts;
  /** v2: descriptor of the leaf where tethers live, for `CLONE_INTO_CGROUP`; undefined where v2 has no controllers. */
  readonly tethers: number | undefined;
  /** Makes the job's directories and writes its limits, before any process is in them. */
  create(id: string, limits: AskedLimits): Promise<JobCgroup>;
  /** The cgroups of a job that an earlier daemon made; undefined when there are none. */
  open(id: string): Promise<JobCgroup | undefined>;
  /** What `create` would hold, if the kernel refuses no write. */
  enforced(limits: AskedLimits): CgroupEnforced;
  /** Ids that have directories. */
  list(): Promise<string[]>;
  /** Closes our descriptors and takes our directories away, as far as they are empty. */
  close(): Promise<void>;
}

const NAME = /^[a-z0-9][a-z0-9_.-]{0,62}$/i;
const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

/**
 * Takes our place in every hierarchy. A host without usable cgroups opens too: then `enforced` says why nothing is held.
 * Throws `INVALID_ARGUMENT` for a parent or name that is no path of cgroups, `FAILED_PRECONDITION` when the place is
 * somebody else's.
 */
export async function openCgroupHost(options: { parent?: string; name?: string } = {}): Promise<CgroupHost> {
  const place = checkPlace(options);
  const [mountinfo, own] = await Promise.all([readOr("/proc/self/mountinfo"), readOr("/proc/self/cgroup")]);
  const hierarchies = readHierarchies(mountinfo, own);
  const claim = claimPlace(hierarchies, place);
  let facts = await completeFacts(hierarchies.layout, claim);
  let diskNames = blockDeviceNames().join();
  const factsNow = (): CgroupFacts => facts;
  let tethers = claim.tethers === undefined ? undefined : openDirectory(claim.tethers);
  return {
    get facts() {
      return facts;
    },
    get tethers() {
      return tethers;
    },
    async create(id, limits) {
      checkId(id);
      const names = blockDeviceNames();
      if (names.join() !== diskNames) {
        diskNames = names.join();
        facts = { ...facts, devices: readBlockDevices(names) };
      }
      const plan = planLimits(facts, limits);
      const refusals = await makeJob(facts, id, plan);
      const enforced = settle(plan, refusals);
      return jobCgroup(id, factsNow, () => enforced);
    },
    async open(id) {
      checkId(id);
      if (!listed(facts).has(id)) return undefined;
      return jobCgroup(id, factsNow, () => readEnforced(facts, id));
    },
    enforced: (limits) => planLimits(facts, limits).enforced,
    list: () => Promise.resolve([...listed(facts)]),
    close() {
      if (tethers !== undefined) closeSync(tethers);
      tethers = undefined;
      claim.release();
      return Promise.resolve();
    },
  };
}

/** Hierarchies side by side: mkdir(2) of a cgroup takes a lock that others may hold long, so never on the event loop. */
async function makeJob(facts: CgroupFacts, id: string, plan: LimitPlan): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  const made = await Promise.allSettled(
    jobParents(facts).map(async ({ parent }) => {
      await makeFresh(`${parent}/${id}`);
      // The writes take no lock of note: about 10 µs each, less than handing them to another thread.
      for (const write of plan.writes) {
        if (write.parent !== parent) continue;
        const errno = writeKernelFile(`${parent}/${id}/${write.file}`, write.value);
        if (errno !== undefined) refusals.push({ write, errno });
      }
      return `${parent}/${id}`;
    }),
  );
  const failure = made.find((result) => result.status === "rejected");
  if (failure === undefined) return refusals;
  for (const result of made) if (result.status === "fulfilled") await removeTree(result.value);
  throw failure.reason;
}

/** Makes a directory that nobody used before: counters start at zero, and a killed cgroup may kill again (Linux 6.18). */
async function makeFresh(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw notMade(path, errnoOf(error), error);
    await removeTree(path);
    await mkdir(path);
  }
}

function notMade(path: string, errno: string, cause: unknown): TeleError {
  const full = errno === "ENOSPC" || errno === "ENOMEM" || errno === "EAGAIN";
  const hint = full
    ? "remove cgroups, or raise cgroup.max.descendants of the cgroups above"
    : "restart tele, so that it makes its cgroups again";
  const fields = { detail: `cannot make the cgroup ${path}: ${errno}`, step: "cgroup.mkdir", errno, hint };
  return new TeleError(full ? "RESOURCE_EXHAUSTED" : "START_FAILED", fields, { cause });
}

async function completeFacts(layout: CgroupFacts["layout"], claim: Claim): Promise<CgroupFacts> {
  const { holders, tethers } = claim;
  const swaps = await readOr("/proc/swaps");
  const { memory } = holders;
  return {
    layout,
    holders,
    ...(tethers !== undefined && { tethers }),
    swapAccounting: memory.by !== "none" && hasSwapFile(memory.by, memory.parent),
    hostSwap: swaps.trim().split("\n").length > 1,
    devices: readBlockDevices(),
  };
}

/** v1 shows the file in every cgroup, v2 in those that have the memory controller: ours for the jobs does. */
function hasSwapFile(by: "cgroup1" | "cgroup2", parent: string): boolean {
  return (
    readKernelFile(`${parent}/${by === "cgroup1" ? "memory.memsw.limit_in_bytes" : "memory.swap.max"}`) !== undefined
  );
}

function listed(facts: CgroupFacts): Set<string> {
  return new Set(jobParents(facts).flatMap(({ parent }) => directoriesIn(parent).filter((name) => ID.test(name))));
}

function checkPlace(options: { parent?: string; name?: string }): Place {
  const name = options.name ?? "tele";
  if (!NAME.test(name)) {
    const detail = `${JSON.stringify(name)} cannot name a cgroup`;
    throw new TeleError("INVALID_ARGUMENT", { detail, hint: "use letters, digits and ._- , up to 63" });
  }
  if (options.parent === undefined) return { name };
  const segments = options.parent.split("/").filter(Boolean);
  const valid = segments.length > 0 && segments.every((segment) => NAME.test(segment.replaceAll(/[@:\\]/g, "-")));
  if (!valid) {
    const detail = `${JSON.stringify(options.parent)} is no path of a cgroup`;
    throw new TeleError("INVALID_ARGUMENT", {
      detail,
      hint: "name it from the hierarchy's root, such as /system.slice/tele",
    });
  }
  return { name, parent: segments.join("/") };
}

function checkId(id: string): void {
  if (!ID.test(id))
    throw new TeleError("INVALID_ARGUMENT", { detail: `${JSON.stringify(id)} cannot name a job's cgroup` });
}

async function readOr(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return "";
  }
}
