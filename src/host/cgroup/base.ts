/** Pure: below which directory of the v2 hierarchy our cgroups belong. */
import { basename, dirname, join } from "node:path";

/** What was read about the cgroup that we run in. */
export interface OwnCgroup {
  readonly path: string;
  /** The hierarchy's real root, not that of a cgroup namespace. */
  readonly root: boolean;
  /** Whether its and its parent's `cgroup.subtree_control` may be written. */
  readonly writable: boolean;
  readonly parentWritable: boolean;
  readonly processes: readonly number[];
  readonly parentProcesses: readonly number[];
  /** Names of the directories beside it. */
  readonly siblings: readonly string[];
}

/** `base` gets the children `tethers` and `jobs`; controllers are switched on from `top` downwards. */
export interface Base {
  readonly base: string;
  readonly top: string;
  /** `delegated`: base is our own cgroup, which we must leave; `leaf`: we are in its leaf already. */
  readonly kind: "parent" | "delegated" | "leaf" | "root";
}

/** Name of the leaf in which the daemon itself lives, also for `DelegateSubgroup=` (systemd.resource-control(5)). */
export const DAEMON_LEAF = "daemon";

/** Where to live: below `--cgroup-parent`; else in our own cgroup when it is ours alone; else at the hierarchy's root. */
export function chooseBase(
  mount: string,
  own: OwnCgroup | undefined,
  options: { readonly parent?: string; readonly name: string; readonly pid: number },
): Base {
  if (options.parent !== undefined)
    return { base: join(mount, options.parent, options.name), top: mount, kind: "parent" };
  // systemd marks a delegated unit with an extended attribute that node:fs cannot read. A cgroup that we may divide and
  // that holds nobody else is as good: nobody can lose by it. A login shell's or a cron job's is never like that.
  const alone = own?.processes.length === 1 && own.processes[0] === options.pid;
  if (own && !own.root && alone) {
    const unit = dirname(own.path);
    const ours = /\.(?:service|scope)$/.test(unit) || own.siblings.includes("tethers");
    if (basename(own.path) === DAEMON_LEAF && ours && own.parentWritable && own.parentProcesses.length === 0)
      return { base: unit, top: unit, kind: "leaf" };
    if (own.writable) return { base: own.path, top: own.path, kind: "delegated" };
  }
  return { base: join(mount, options.name), top: mount, kind: "root" };
}
