/** A `/sys` that shows the new network namespace's devices and cannot be written. */
import { MS } from "#ffi/abi/mount.ts";
import type { Phase } from "../phase.ts";
import { step } from "../step.ts";

export const sys: Phase = () => [
  step("sys.mount", "mount", ["sysfs", "/sys", "sysfs", MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, 0]),
  step(
    "sys.cover-firmware",
    "mount",
    ["tmpfs", "/sys/firmware", "tmpfs", MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, "mode=755"],
    { tolerate: ["ENOENT"] },
  ),
];
