/**
 * The host's root file system becomes the sandbox's, read-only.
 *
 * The tree is cloned and made read-only before it is attached anywhere, so no moment exists in which it could be
 * written. `pivot_root(".", ".")` leaves the old root stacked under the same directory; it stays until the mounts are
 * made and is then detached (pivot_root(2), "pivot_root(".", ".")").
 */
import { AT } from "#ffi/abi/fcntl.ts";
import { MS } from "#ffi/abi/mount.ts";
import { MOUNT_ATTR, MOUNT_ATTR_SIZE, MOVE_MOUNT, mountAttr, OPEN_TREE } from "#ffi/abi/mount-api.ts";
import { type Step, step } from "../step.ts";

export const root = (): readonly Step[] => [
  // Nothing that happens here may reach the host, nor the other way round (mount_namespaces(7)).
  step("mounts.private", "mount", ["none", "/", 0, MS.REC | MS.PRIVATE, 0]),
  step(
    "root.clone",
    "open_tree",
    [AT.FDCWD, "/", OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC | OPEN_TREE.AT_RECURSIVE],
    { save: "root" },
  ),
  step("root.read-only", "mount_setattr", [
    { slot: "root" },
    "",
    OPEN_TREE.AT_EMPTY_PATH | OPEN_TREE.AT_RECURSIVE,
    mountAttr(MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV),
    MOUNT_ATTR_SIZE,
  ]),
  step("root.attach", "move_mount", [{ slot: "root" }, "", AT.FDCWD, "/", MOVE_MOUNT.F_EMPTY_PATH]),
  step("root.enter", "fchdir", [{ slot: "root" }]),
  step("pivot.swap", "pivot_root", [".", "."]),
];
