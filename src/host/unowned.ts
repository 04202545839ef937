/** The host's tree without owners, as jobs are shown it: whether its file systems can be (mount_setattr(2), MOUNT_ATTR_IDMAP). */
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { AT } from "#ffi/abi/fcntl.ts";
import { MOUNT_ATTR, MOUNT_ATTR_SIZE, mountAttr, OPEN_TREE } from "#ffi/abi/mount-api.ts";
import { call, type Scratch, scratch } from "#ffi/call.ts";
import { unownedNamespace } from "./mapping-namespace.ts";
import { mountsIn } from "./mountinfo.ts";

/** Trees that every job has its own of. */
const COVERED = ["/proc", "/sys", "/dev", "/tmp", "/run"] as const;
/** So many mounts of the host are looked after. */
const MOST_MOUNTS = 64;

export interface Unowned {
  /** The user namespace, close-on-exec, for close(2). */
  readonly namespace: number;
  /** Mount points besides the root's, for `Facts`. */
  readonly points: readonly string[];
}

let arena: Scratch | undefined;

/** Undefined where the root's file system cannot be id-mapped, or this process may not do it. */
export function openUnowned(): Unowned | undefined {
  let namespace: number;
  try {
    namespace = unownedNamespace();
  } catch {
    return undefined;
  }
  if (rootTakes(namespace)) return { namespace, points: pointsIn(readFileSync("/proc/self/mountinfo", "utf8")) };
  call("close", namespace);
  return undefined;
}

/** Mount points of the host's tree that a job sees, outer ones first, out of /proc/pid/mountinfo. */
export function pointsIn(mountinfo: string): string[] {
  const points = mountsIn(mountinfo).map(({ point }) => point);
  const seen = points.filter(
    (point) => point !== "/" && !COVERED.some((tree) => point === tree || point.startsWith(`${tree}/`)),
  );
  return [...new Set(seen)].filter(isReachable).slice(0, MOST_MOUNTS);
}

/** Whether somebody who owns nothing here gets there: containers' file systems lie in directories that keep others out. */
function isReachable(point: string): boolean {
  for (let path = dirname(point); path !== "/"; path = dirname(path)) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found || (found.mode & 0o001) === 0) return false;
  }
  return true;
}

/** Tries it on a tree that is attached nowhere. */
function rootTakes(namespace: number): boolean {
  arena ??= scratch(4096);
  arena.reset();
  const tree = call("open_tree", AT.FDCWD, arena.text("/"), OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC);
  if (tree < 0) return false;
  const attr = arena.bytes(mountAttr(MOUNT_ATTR.IDMAP, { usernsFd: namespace }));
  const answer = call("mount_setattr", tree, arena.text(""), OPEN_TREE.AT_EMPTY_PATH, attr, MOUNT_ATTR_SIZE);
  call("close", tree);
  return answer === 0;
}
