/** What is wrong with the mounts of a spec on this host, found before any is made. */
import { accessSync, constants } from "node:fs";
import type { Fault } from "#errors";
import type { Mount } from "#spec/mounts.ts";
import type { JobSpec } from "#spec/schema.ts";
import { type JobView, jobView, type Placed } from "./job-view.ts";
import { isAtOrBelow, lookAtHost, type Place, tidy, walk } from "./walk.ts";

/** The mounts in the order in which they can be made, and what is wrong with them. */
export interface Arranged {
  readonly faults: readonly Fault[];
  /** Outer ones before those inside of them, links in their paths followed, without those that are there anyway. */
  readonly mounts: readonly Mount[];
  /** The file system of the job with all of them. */
  readonly view: JobView;
}

/** Whether a mount asks for what every job has at that very place. */
function isThere(mount: Mount): boolean {
  return (mount.type === "proc" || mount.type === "dev") && tidy(mount.target) === `/${mount.type}`;
}

/** Puts the mounts of a job together as the planner will. `hide` are directories of ours that no job may see. */
export function arrangeMounts({ root, mounts }: Pick<JobSpec, "root" | "mounts">, hide: readonly string[]): Arranged {
  const view = jobView(root, hide);
  const faults: Fault[] = [];
  const made: { placed: Placed; pointer: string }[] = [];
  const depth = ({ mount }: { mount: Mount }): number => tidy(mount.target).split("/").length;
  const order = mounts
    .map((mount, index) => ({ mount, pointer: `/mounts/${index}` }))
    .toSorted((a, b) => depth(a) - depth(b));
  for (const { mount, pointer } of order) {
    if (isThere(mount)) continue;
    const place = view.at(mount.target);
    const source = mount.type === "bind" ? walk(mount.source, lookAtHost) : undefined;
    const before = made.find(({ placed }) => placed.target === place.path);
    const wrongSource = source && mount.type === "bind" ? sourceFault(mount.source, source, hide) : undefined;
    if (wrongSource !== undefined) faults.push({ pointer: `${pointer}/source`, detail: wrongSource });
    const wrongTarget = before
      ? `is the target of ${before.pointer} too; mount one of them elsewhere`
      : targetFault(mount, place, view, root.type, wrongSource === undefined ? source : undefined);
    if (wrongTarget !== undefined) faults.push({ pointer: `${pointer}/target`, detail: wrongTarget });
    const placed = { mount, target: place.path, source: source?.path ?? "" };
    made.push({ placed, pointer });
    view.put(placed);
  }
  return { faults, mounts: made.map(({ placed }) => resolved(placed)), view };
}

/** The mount without links: the tether follows none, so whoever exchanges one meanwhile gains nothing (CVE-2021-30465). */
function resolved({ mount, target, source }: Placed): Mount {
  return mount.type === "bind" ? { ...mount, target, source } : { ...mount, target };
}

function sourceFault(asked: string, place: Place, hide: readonly string[]): string | undefined {
  if (place.magic !== undefined)
    return `${asked} leads through ${place.magic}, which is another directory for each process; name the file itself`;
  if (place.seen === "nothing") return `${asked} ${missing(place)}; make it there first, or correct the path`;
  if (hide.some((directory) => isAtOrBelow(place.path, directory)))
    return `${asked} is in a directory of tele's own, which no job may see; copy what it needs elsewhere`;
  // Its cover is in the job's root, not in a second look at the same tree.
  const within = hide.find((directory) => isAtOrBelow(directory, place.path));
  if (within !== undefined)
    return `${asked} contains ${within}, a directory of tele's own, which no job may see; mount what lies beside it`;
  try {
    accessSync(place.path, place.seen === "directory" ? constants.R_OK | constants.X_OK : constants.R_OK);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? "EACCES";
    return `${asked} may not be read by who starts the job (${errno}); give them the permission, or leave it out`;
  }
  return undefined;
}

/** Why nothing was found at the end of a path of this host. */
function missing({ errno = "ENOENT" }: Place): string {
  if (errno === "ENOENT") return "does not exist on this host";
  if (errno === "ENOTDIR") return "does not exist on this host: a file is where a directory would be (ENOTDIR)";
  if (errno === "ELOOP") return "is a circle of links (ELOOP)";
  return `cannot be reached on this host (${errno})`;
}

function targetFault(
  mount: Mount,
  place: Place,
  view: JobView,
  root: JobSpec["root"]["type"],
  source: Place | undefined,
): string | undefined {
  const named = tidy(mount.target) === place.path ? place.path : `${mount.target} (${place.path})`;
  const sacred = sacredFault(place.path, named);
  if (sacred !== undefined) return sacred;
  const over = view.over(place.path);
  if (over && (over.mount.type === "proc" || over.mount.type === "dev"))
    return `${named} is in ${over.target}, which has the kernel's own files as /${over.mount.type} has; choose another place`;
  if (place.seen === "nothing") return notThere(place, named, view);
  if (place.seen === "void") return undefined;
  const kind = mount.type === "bind" ? source?.seen : "directory";
  if (kind === "directory" && place.seen === "file")
    return `${named} is a file, and a directory cannot be mounted on it; name a directory`;
  if (kind === "file" && place.seen === "directory")
    return `${named} is a directory, and ${source?.path ?? "a file"} is a file; name the file in it, as in ${named}/${source?.path.split("/").at(-1) ?? "NAME"}`;
  return root === "host" && place.path === "/" ? `${named} is the root itself` : undefined;
}

/** Places that are the sandbox's own affair, wherever links led there. */
function sacredFault(path: string, named: string): string | undefined {
  if (path === "/") return `${named} is the root itself; choose a directory in it, or --root empty`;
  for (const directory of ["/proc", "/sys"])
    if (isAtOrBelow(path, directory))
      return `${named} is in ${directory}, which is the kernel's and every job's own; choose another place`;
  if (isAtOrBelow(path, "/dev") && !isAtOrBelow(path, "/dev/shm"))
    return `${named} is in /dev, which is every job's own with the usual nodes only; choose another place`;
  return undefined;
}

function notThere({ path, errno }: Place, named: string, view: JobView): string {
  if (errno !== undefined && errno !== "ENOENT")
    return `${named} cannot be reached in the job's root (${errno}); correct the path`;
  const over = view.over(path);
  if (over?.mount.type === "bind")
    return `${named} does not exist in ${over.source}, which is mounted there, and nothing is made in it; make it first`;
  return `${named} does not exist in the host's tree, which is read-only; make it there first, choose a place below /tmp or /run, or use an empty root`;
}
