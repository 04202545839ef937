/** The old root goes: from here on nothing of the host but what was mounted can be reached. */
import { AT } from "#ffi/abi/fcntl.ts";
import { MNT } from "#ffi/abi/mount.ts";
import { MOUNT_ATTR, MOUNT_ATTR_SIZE, mountAttr, OPEN_TREE } from "#ffi/abi/mount-api.ts";
import type { Phase } from "../phase.ts";
import { ownerOutside } from "./60-mounts.ts";
import { type Step, step } from "../step.ts";

/** An empty root is written by nobody but us, and has what it needs by now. */
const FINISHED: readonly Step[] = [
  step("root.finish", "mount_setattr", [
    { slot: "root" },
    "",
    OPEN_TREE.AT_EMPTY_PATH,
    mountAttr(MOUNT_ATTR.RDONLY),
    MOUNT_ATTR_SIZE,
  ]),
];

export const detach: Phase = (input) => {
  const owner = ownerOutside(input);
  return [
    ...(owner ? [step("run.own", "fchownat", [AT.FDCWD, "/run", owner.uid, owner.gid, 0])] : []),
    ...(input.spec.root.type === "empty" ? FINISHED : []),
    // Mounts were made since the root was entered: "." is still its very directory, and above it lies the old root.
    step("pivot.return", "fchdir", [{ slot: "root" }]),
    step("pivot.detach", "umount2", [".", MNT.MNT_DETACH]),
    step("pivot.enter", "chdir", ["/"]),
  ];
};
