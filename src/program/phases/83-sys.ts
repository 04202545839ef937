/** A `/sys` that shows the new network namespace's devices and cannot be written, and the queues of the new ipc namespace. */
import { MS } from "#ffi/abi/mount.ts";
import type { Phase } from "../phase.ts";
import { type Step, step } from "../step.ts";

/** Relative to /sys: the firmware's tables, and power meters that tell what others compute (CVE-2020-8694). */
const COVERED = ["firmware", "devices/virtual/powercap"] as const;

export const sys: Phase = ({ policy }) => [
  // The host's, read-only, is there already; it is the right one for whoever shares the host's network.
  ...(policy.share.includes("net")
    ? []
    : [step("sys.mount", "mount", ["sysfs", "/sys", "sysfs", MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, 0])]),
  ...(policy.maskPaths ? COVERED : []).map(
    (path): Step =>
      step(
        `sys.cover-${path.replace(/^.*\//, "")}`,
        "mount",
        ["tmpfs", `/sys/${path}`, "tmpfs", MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, "mode=755"],
        { tolerate: ["ENOENT"] },
      ),
  ),
  // The host's queues may be listed by its own root alone; mq_open(3) needs no mount to open one (mq_overview(7)).
  step("mqueue.mount", "mount", ["mqueue", "/dev/mqueue", "mqueue", MS.NOSUID | MS.NODEV | MS.NOEXEC, 0], {
    tolerate: policy.share.includes("ipc") ? ["ENODEV", "EPERM"] : ["ENODEV"],
  }),
];
