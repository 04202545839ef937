/** The old root goes: from here on nothing of the host but the read-only tree can be reached. */
import { MNT } from "#ffi/abi/mount.ts";
import { type Step, step } from "../step.ts";

export const detach = (): readonly Step[] => [
  step("pivot.detach", "umount2", [".", MNT.MNT_DETACH]),
  step("pivot.enter", "chdir", ["/"]),
  step("root.close", "close", [{ slot: "root" }]),
];
