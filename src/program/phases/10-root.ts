/**
 * The sandbox's root: the host's tree, read-only, or an empty one.
 *
 * It is made, and made read-only, before it is attached anywhere, so no moment exists in which it could be written.
 * `pivot_root(".", ".")` leaves the old root stacked under the same directory; it stays until the mounts are made and is
 * then detached (pivot_root(2), "pivot_root(".", ".")").
 */
import { AT, O } from "#ffi/abi/fcntl.ts";
import { FSCONFIG, FSMOUNT, FSOPEN } from "#ffi/abi/fsopen.ts";
import { MS } from "#ffi/abi/mount.ts";
import { MOUNT_ATTR, MOUNT_ATTR_SIZE, MOVE_MOUNT, mountAttr, OPEN_TREE } from "#ffi/abi/mount-api.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { ShapePhase } from "../shape.ts";
import { type Step, step } from "../step.ts";

const CLONE_TREE = OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC | OPEN_TREE.AT_RECURSIVE;
const LOCKED = mountAttr(MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV);
const WHOLE_TREE = OPEN_TREE.AT_EMPTY_PATH | OPEN_TREE.AT_RECURSIVE;

/** The host's tree with every mount in it. */
const HOST: readonly Step[] = [
  step("root.clone", "open_tree", [AT.FDCWD, "/", CLONE_TREE], { save: "root" }),
  step("root.read-only", "mount_setattr", [{ slot: "root" }, "", WHOLE_TREE, LOCKED, MOUNT_ATTR_SIZE]),
];

/** A tmpfs that was never mounted anywhere else (fsopen(2)). */
const EMPTY: readonly Step[] = [
  step("root.open", "fsopen", ["tmpfs", FSOPEN.CLOEXEC], { save: "context" }),
  step("root.mode", "fsconfig", [{ slot: "context" }, FSCONFIG.SET_STRING, "mode", "755", 0]),
  step("root.create", "fsconfig", [{ slot: "context" }, FSCONFIG.CMD_CREATE, 0, 0, 0]),
  step("root.mount", "fsmount", [{ slot: "context" }, FSMOUNT.CLOEXEC, MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV], {
    save: "root",
  }),
];

/** Places for what every sandbox has; the host's /sys stays below ours, which only then may be mounted (mount_too_revealing). */
const EMPTY_PLACES: readonly Step[] = [
  ...["dev", "proc", "run", "sys", "tmp"].map(
    (name): Step => step(`root.${name}`, "mkdirat", [AT.FDCWD, `/${name}`, 0o755]),
  ),
  step("root.sys-clone", "open_tree", [{ slot: "old" }, "sys", CLONE_TREE], { save: "host-sys" }),
  step("root.sys-read-only", "mount_setattr", [{ slot: "host-sys" }, "", WHOLE_TREE, LOCKED, MOUNT_ATTR_SIZE]),
  step("root.sys-attach", "move_mount", [{ slot: "host-sys" }, "", AT.FDCWD, "/sys", MOVE_MOUNT.F_EMPTY_PATH]),
];

const UNOWNED = mountAttr(MOUNT_ATTR.IDMAP, { usernsFd: TETHER_FD.unowned });
/** A mount that cannot be id-mapped, that the tether may not reach, and so nobody in the job either, or that has gone since. */
const LEFT_AS_IT_IS = ["EINVAL", "EPERM", "ENOENT", "ENOTDIR", "EACCES", "EBADF"] as const;

/**
 * The host's tree without owners. A read-only mount keeps nobody from writing to sockets and FIFOs in it
 * (sb_permission in fs/namei.c); an owner that the mount's user namespace does not know does (mount_setattr(2)).
 */
const UNOWN: readonly Step[] = [
  step("root.unown", "mount_setattr", [{ slot: "root" }, "", OPEN_TREE.AT_EMPTY_PATH, UNOWNED, MOUNT_ATTR_SIZE]),
];

/** The same for the mounts in it: each anew and over itself, because of a tree the kernel changes the first alone. */
function unownMounts(points: readonly string[]): Step[] {
  const tree = { slot: "submount" };
  const tolerate = LEFT_AS_IT_IS;
  return points.flatMap((point, index) => [
    step(
      `unown.clone-${index}`,
      "open_tree",
      [{ slot: "old" }, point.slice(1), OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC],
      { save: "submount", tolerate },
    ),
    // Apart, so that it is read-only even where its owners cannot be hidden.
    step(`unown.read-only-${index}`, "mount_setattr", [tree, "", OPEN_TREE.AT_EMPTY_PATH, LOCKED, MOUNT_ATTR_SIZE], {
      tolerate: ["EBADF"],
    }),
    step(`unown.owners-${index}`, "mount_setattr", [tree, "", OPEN_TREE.AT_EMPTY_PATH, UNOWNED, MOUNT_ATTR_SIZE], {
      tolerate,
    }),
    step(`unown.attach-${index}`, "move_mount", [tree, "", AT.FDCWD, point, MOVE_MOUNT.F_EMPTY_PATH], { tolerate }),
  ]);
}

export const root: ShapePhase = ({ root: kind, unowned }) => [
  // Nothing that happens here may reach the host, nor the other way round (mount_namespaces(7)).
  step("mounts.private", "mount", ["none", "/", 0, MS.REC | MS.PRIVATE, 0]),
  step("root.old", "openat", [AT.FDCWD, "/", O.PATH | O.CLOEXEC, 0], { save: "old" }),
  ...(kind === "host" ? HOST : EMPTY),
  ...(unowned ? UNOWN : []),
  step("root.attach", "move_mount", [{ slot: "root" }, "", AT.FDCWD, "/", MOVE_MOUNT.F_EMPTY_PATH]),
  step("root.enter", "fchdir", [{ slot: "root" }]),
  step("pivot.swap", "pivot_root", [".", "."]),
  ...(unowned ? unownMounts(unowned) : []),
  ...(kind === "host" ? [] : EMPTY_PLACES),
];
