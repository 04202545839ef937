/** One job's cgroups: its directory in each hierarchy that holds something of it. */
import { closeSync, existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { TeleError } from "#errors";
import { directoriesIn, processesIn } from "./directories.ts";
import { type CgroupEnforced, type CgroupFacts, type CgroupUsage, jobParents } from "./facts.ts";
import { errnoOf, openDirectory, openForWriting } from "./kernel-file.ts";
import { readOomKills, readUsage } from "./usage.ts";

/** How long `remove` waits for the last process to be gone, in milliseconds: a killed one needs a moment to be reaped. */
const REMOVE_TIMEOUT_MS = 2000;

/** The cgroups of one job. */
export interface JobCgroup {
  /** What is really held: a limit whose write was refused has `by: "none"` and says why. */
  readonly enforced: CgroupEnforced;
  /** v2: descriptor of the directory, for `CLONE_INTO_CGROUP`. Opened when first asked for, close-on-exec. */
  readonly directory: number | undefined;
  /**
   * v1: descriptors of each hierarchy's `tasks`, close-on-exec; the workload writes "0" to each before its execve. With
   * "0" in `tasks` one thread moves itself, and the kernel (since 5.5) skips the lock over all forks of the machine,
   * whose taking waits for an RCU period: `cgroup_procs_write_start` in kernel/cgroup/cgroup.c. Any pid, or
   * `cgroup.procs`, takes it.
   */
  readonly tasks: readonly number[];
  /** Closes the descriptors; asking for them again opens them again. */
  closeDescriptors(): void;
  /** Live use of resources, from ten small reads. */
  usage(): CgroupUsage;
  /** Whether the kernel killed a process of the job for want of memory. */
  oomKilled(): boolean;
  /** Pids of every process inside, as the host numbers them, in cgroups below too. */
  procs(): number[];
  /** Takes the directories away, waiting up to two seconds for dying processes. Throws `UNAVAILABLE` when some live on. */
  remove(): Promise<void>;
}

/** The job's cgroups as they are; makes nothing. `factsNow` follows disks that come and go. */
export function jobCgroup(id: string, factsNow: () => CgroupFacts, enforced: () => CgroupEnforced): JobCgroup {
  const directories = (by?: "cgroup1" | "cgroup2"): string[] =>
    jobParents(factsNow()).flatMap((holder) => (by === undefined || holder.by === by ? `${holder.parent}/${id}` : []));
  let directory: number | undefined;
  let tasks: readonly number[] | undefined;
  const closeDescriptors = (): void => {
    const open = [...(tasks ?? []), ...(directory === undefined ? [] : [directory])];
    tasks = directory = undefined;
    for (const descriptor of open) closeSync(descriptor);
  };
  return {
    get enforced() {
      return enforced();
    },
    get directory() {
      const [path] = directories("cgroup2");
      if (path !== undefined) directory ??= openDirectory(path);
      return directory;
    },
    get tasks() {
      tasks ??= openAll(directories("cgroup1").map((path) => `${path}/tasks`));
      return tasks;
    },
    closeDescriptors,
    usage: () => readUsage(factsNow(), id),
    oomKilled: () => (readOomKills(factsNow(), id) ?? 0) > 0,
    procs: () => [...new Set(directories().flatMap(processesBelow))],
    async remove() {
      closeDescriptors();
      for (const path of directories()) await removeTree(path);
    },
  };
}

function openAll(paths: readonly string[]): number[] {
  const descriptors: number[] = [];
  try {
    for (const path of paths) descriptors.push(openForWriting(path));
    return descriptors;
  } catch (error) {
    for (const descriptor of descriptors) closeSync(descriptor);
    throw error;
  }
}

function processesBelow(directory: string): number[] {
  return [
    ...processesIn(directory),
    ...directoriesIn(directory).flatMap((name) => processesBelow(`${directory}/${name}`)),
  ];
}

/** rmdir(2), children first. EBUSY: a process is still in it, or one has only just left and its parent has yet to reap it. */
export async function removeTree(path: string): Promise<void> {
  const deadline = performance.now() + REMOVE_TIMEOUT_MS;
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT" && !existsSync(path)) return;
      if (errno !== "EBUSY" && errno !== "ENOTEMPTY") throw failed(path, errno, error);
      if (performance.now() > deadline) throw failed(path, errno, error);
    }
    for (const child of directoriesIn(path)) await removeTree(`${path}/${child}`);
    await delay(pause);
  }
}

function failed(path: string, errno: string, cause: unknown): TeleError {
  const alive = processesIn(path).length;
  const detail = alive > 0 ? `${alive} processes live on in the cgroup ${path}` : `cannot remove the cgroup ${path}`;
  return new TeleError("UNAVAILABLE", { detail, errno, step: "cgroup.rmdir" }, { cause });
}
