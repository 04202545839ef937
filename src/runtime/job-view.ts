/** What a job will see where, known before any of it is mounted. */
import type { Mount } from "#spec/mounts.ts";
import type { JobSpec } from "#spec/schema.ts";
import { isAtOrBelow, lookAtHost, type Place, type Seen, walk } from "./walk.ts";

/** Trees that every job has of its own, new and empty. */
const NEW = ["/tmp", "/run", "/dev/shm"] as const;
/** What else a job's /dev has (`program/phases/20-dev.ts`). */
const DEVICES = [
  "null",
  "zero",
  "full",
  "random",
  "urandom",
  "tty",
  "console",
  "fd",
  "stdin",
  "stdout",
  "stderr",
  "ptmx",
];

/** A mount that is in its place: where links in its target led. */
export interface Placed {
  readonly mount: Mount;
  readonly target: string;
  /** Of a bind mount, where links in its source led. */
  readonly source: string;
}

/** A job's file system as far as it is put together. */
export interface JobView {
  /** Where a path of the job leads. */
  at(path: string): Place;
  /** Puts one more mount over what there is. */
  put(placed: Placed): void;
  /** The mount that a resolved path lies in, which is not the root's own. */
  over(path: string): Placed | undefined;
}

/** Before any mount of the job. `hide` are directories of ours that no job sees. */
export function jobView(root: JobSpec["root"], hide: readonly string[]): JobView {
  const placed: Placed[] = [];
  const over = (path: string): Placed | undefined => placed.findLast(({ target }) => isAtOrBelow(path, target));

  function look(path: string): Seen {
    const above = over(path);
    const seen = above ? lookInto(above, path) : lookAtRoot(path);
    // Where anything can be made, the way to a mount is made.
    return seen === "void" && placed.some(({ target }) => isAtOrBelow(target, path)) ? "directory" : seen;
  }

  function lookInto({ mount, target, source }: Placed, path: string): Seen {
    const rest = path.slice(target.length);
    if (mount.type === "bind") return lookAtHost(`${source === "/" ? "" : source}${rest}` || "/");
    if (mount.type === "tmpfs") return rest === "" ? "directory" : "void";
    return lookAtRoot(`/${mount.type}${rest}`);
  }

  function lookAtRoot(path: string): Seen {
    if ((NEW as readonly string[]).includes(path) || path === "/dev") return "directory";
    if (NEW.some((tree) => isAtOrBelow(path, tree))) return "void";
    if (isAtOrBelow(path, "/dev")) return lookAtDevices(path.slice("/dev/".length));
    if (root.type === "empty") return path === "/" || path === "/proc" || path === "/sys" ? "directory" : "void";
    const covered = hide.find((directory) => isAtOrBelow(path, directory));
    if (covered !== undefined) return path === covered ? lookAtHost(path) : "nothing";
    return lookAtHost(path);
  }

  return { at: (path) => walk(path, look), put: (one) => void placed.push(one), over };
}

function lookAtDevices(name: string): Seen {
  if (name === "pts" || name === "mqueue") return "directory";
  return DEVICES.includes(name) ? "file" : "nothing";
}
