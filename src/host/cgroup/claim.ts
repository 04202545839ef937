/** Makes the directories that are ours in each hierarchy and switches the controllers on; undoes it when they are empty. */
import { accessSync, constants, existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { TeleError } from "#errors";
import { type Base, chooseBase, DAEMON_LEAF, type OwnCgroup } from "./base.ts";
import { between, directoriesIn, makeDirectories, makeDirectory, processesIn, removeDirectory } from "./directories.ts";
import type { Holder } from "./facts.ts";
import { CONTROLLERS, type Controller, type Hierarchies, type Hierarchy } from "./hierarchies.ts";
import { readKernelFile, writeKernelFile } from "./kernel-file.ts";

/** Where to live, in every hierarchy. */
export interface Place {
  /** `--cgroup-parent`, a path from each hierarchy's root. */
  readonly parent?: string;
  /** Directory's name; two daemons on one host have two. */
  readonly name: string;
}

/** What became ours. */
export interface Claim {
  readonly holders: Readonly<Record<Controller, Holder>>;
  readonly tethers?: string;
  /** Takes the directories away again, as far as no job needs them. */
  release(): void;
}

type Outcome = ReadonlyMap<Controller, Holder>;

/** Claims a place in each hierarchy of use. Throws `FAILED_PRECONDITION` when the name is somebody else's. */
export function claimPlace(hierarchies: Hierarchies, place: Place): Claim {
  const undo: (() => void)[] = [];
  const release = (): void => {
    for (const step of undo.splice(0).reverse()) step();
  };
  try {
    const second = hierarchies.v2 ? claimV2(hierarchies.v2, place, undo) : undefined;
    const held = new Map<Controller, Holder>(second?.outcome);
    for (const hierarchy of hierarchies.v1) claimV1(hierarchy, place, held, undo);
    const holders = Object.fromEntries(
      CONTROLLERS.map((controller) => [controller, held.get(controller) ?? nobody(controller)]),
    ) as Record<Controller, Holder>;
    return { holders, release, ...(second?.tethers !== undefined && { tethers: second.tethers }) };
  } catch (error) {
    release();
    throw error;
  }
}

function nobody(controller: Controller): Holder {
  const name = controller === "io" ? "io (blkio)" : controller;
  return { by: "none", why: `no mounted cgroup hierarchy has the ${name} controller` };
}

function claimV1(hierarchy: Hierarchy, place: Place, held: Map<Controller, Holder>, undo: (() => void)[]): void {
  const wanted = hierarchy.controllers.filter((controller) => (held.get(controller)?.by ?? "none") === "none");
  if (wanted.length === 0) return;
  const parent = join(hierarchy.mount, place.parent ?? "", place.name);
  refuseForeign(parent);
  const errno = makeDirectories(hierarchy.mount, parent, undo);
  for (const controller of wanted) {
    const holder: Holder =
      errno === undefined ? { by: "cgroup1", parent } : { by: "none", why: `cannot make ${parent}: ${errno}` };
    held.set(controller, holder);
  }
}

function claimV2(
  hierarchy: Hierarchy,
  place: Place,
  undo: (() => void)[],
): { outcome: Outcome; tethers?: string } | undefined {
  const base = chooseBase(hierarchy.mount, readOwn(hierarchy), { ...place, pid: process.pid });
  const offered = controllersIn(base.top, "cgroup.controllers");
  if (offered.size === 0 && base.top === hierarchy.mount) return undefined; // a hybrid host: v1 has them all
  const before: (() => void)[] = [];
  const errno = prepare(hierarchy.mount, base, before);
  const outcome = new Map<Controller, Holder>();
  if (errno === undefined) {
    const jobs = join(base.base, "jobs");
    const refused = switchOn(base, jobs, offered, before);
    const enabled = controllersIn(jobs, "cgroup.subtree_control");
    for (const controller of CONTROLLERS) {
      if (enabled.has(controller)) outcome.set(controller, { by: "cgroup2", parent: jobs });
      else if (controller !== "cpuacct")
        outcome.set(controller, { by: "none", why: refused.get(controller) ?? notOffered(controller, base) });
    }
    if (enabled.size > 0) {
      undo.push(...before);
      // Every v2 cgroup counts its CPU time, the cpu controller only divides it.
      return { outcome: outcome.set("cpuacct", { by: "cgroup2", parent: jobs }), tethers: join(base.base, "tethers") };
    }
  } else {
    for (const controller of offered)
      outcome.set(controller, { by: "none", why: `cannot make ${base.base}: ${errno}` });
  }
  for (const step of before.reverse()) step();
  return { outcome };
}

function notOffered(controller: Controller, base: Base): string {
  return base.kind === "root" || base.kind === "parent"
    ? `the kernel offers cgroup v2 no ${controller} controller`
    : `the ${controller} controller is not delegated to ${base.top}`;
}

/** Makes base, `tethers` and `jobs`, and leaves the base when we are in it: a cgroup either has processes or divides. */
function prepare(mount: string, { base, kind }: Base, undo: (() => void)[]): string | undefined {
  if (kind === "root" || kind === "parent") {
    refuseForeign(base);
    const errno = makeDirectories(mount, base, undo);
    if (errno !== undefined) return errno;
  }
  if (kind === "delegated") {
    const leaf = join(base, DAEMON_LEAF);
    const errno = makeDirectory(leaf) ?? writeKernelFile(join(leaf, "cgroup.procs"), "0");
    if (errno !== undefined) return errno;
    undo.push(() => {
      if (writeKernelFile(join(base, "cgroup.procs"), "0") === undefined) removeDirectory(leaf);
    });
  }
  for (const child of ["tethers", "jobs"]) {
    const errno = makeDirectory(join(base, child));
    if (errno !== undefined) return errno;
  }
  return undefined;
}

/** Writes each `cgroup.subtree_control` from the top to the jobs' parent; why some controllers could not be had. */
function switchOn(base: Base, jobs: string, offered: Set<Controller>, undo: (() => void)[]): Map<Controller, string> {
  const refused = new Map<Controller, string>();
  for (const directory of between(base.top, jobs)) {
    const available = controllersIn(directory, "cgroup.controllers");
    const already = controllersIn(directory, "cgroup.subtree_control");
    for (const controller of available) {
      if (already.has(controller) || !offered.has(controller)) continue;
      const file = join(directory, "cgroup.subtree_control");
      // With processes inside, the kernel refuses memory and io, but takes cpu and pids by making a threaded domain of a
      // cgroup that is not ours, whose children then take no processes (cgroup-v2.rst, Threads). Only the root has both.
      const why =
        !isRoot(directory) && processesIn(directory).length > 0
          ? "it holds processes itself"
          : writeKernelFile(file, `+${controller}`);
      if (why !== undefined && !refused.has(controller))
        refused.set(controller, `cannot switch ${controller} on in ${file}: ${why}`);
    }
  }
  undo.push(() => {
    removeDirectory(jobs);
    removeDirectory(join(base.base, "tethers"));
    if (base.kind !== "delegated") return;
    // Only a cgroup that no longer divides takes processes back: ours, in the step before this one.
    for (const controller of offered) writeKernelFile(join(base.base, "cgroup.subtree_control"), `-${controller}`);
  });
  return refused;
}

function readOwn({ own }: Hierarchy): OwnCgroup | undefined {
  if (own === undefined) return undefined;
  const parent = dirname(own);
  const inner = existsSync(join(parent, "cgroup.procs"));
  return {
    path: own,
    root: isRoot(own),
    writable: writable(join(own, "cgroup.subtree_control")),
    parentWritable: inner && writable(join(parent, "cgroup.subtree_control")),
    processes: processesIn(own),
    parentProcesses: inner ? processesIn(parent) : [],
    siblings: inner ? directoriesIn(parent).filter((name) => name !== basename(own)) : [],
  };
}

/** The real root, not that of a cgroup namespace: the one cgroup that reports no events. */
function isRoot(directory: string): boolean {
  return !existsSync(join(directory, "cgroup.events"));
}

function controllersIn(directory: string, file: string): Set<Controller> {
  const words = (readKernelFile(join(directory, file)) ?? "").trim().split(" ");
  return new Set(CONTROLLERS.filter((controller) => controller !== "cpuacct" && words.includes(controller)));
}

function writable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A directory of our name in which processes live is not of our making: ours hold only directories. */
function refuseForeign(directory: string): void {
  if (processesIn(directory).length === 0) return;
  throw new TeleError("FAILED_PRECONDITION", {
    detail: `the cgroup ${directory} exists and holds processes that are not ours`,
    hint: "choose another place with --cgroup-parent",
  });
}
