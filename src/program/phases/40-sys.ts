/** A `/sys` that shows the new network namespace's devices and cannot be written. */
import { MS } from "#ffi/abi/mount.ts";
import { type Step, step } from "../step.ts";

export const sys = (): readonly Step[] => [
  step("sys.mount", "mount", ["sysfs", "/sys", "sysfs", MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, 0]),
  step(
    "sys.cover-firmware",
    "mount",
    ["tmpfs", "/sys/firmware", "tmpfs", MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, "mode=755"],
    { tolerate: ["ENOENT"] },
  ),
];
