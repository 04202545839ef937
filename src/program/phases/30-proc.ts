/**
 * A `/proc` of the new pid namespace. What in it is the host's and not the namespace's is read-only or covered: root
 * without capabilities still owns those files, and the kernel asks no more for many of them (proc(5); CVE-2022-0492
 * and its kin).
 */
import { MS } from "#ffi/abi/mount.ts";
import type { ShapePhase } from "../shape.ts";
import { type Step, step } from "../step.ts";

const READ_ONLY = ["bus", "fs", "irq", "sys", "sysrq-trigger"] as const;
const COVERED_FILES = ["kcore", "keys", "timer_list", "latency_stats", "sched_debug", "interrupts"] as const;
const COVERED_DIRECTORIES = ["acpi", "scsi", "asound"] as const;

const MASKS: readonly Step[] = [
  ...READ_ONLY.flatMap((name): Step[] => [
    step(`proc.bind-${name}`, "mount", [`/proc/${name}`, `/proc/${name}`, 0, MS.BIND, 0], { tolerate: ["ENOENT"] }),
    step(
      `proc.read-only-${name}`,
      "mount",
      ["none", `/proc/${name}`, 0, MS.REMOUNT | MS.BIND | MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, 0],
      {
        tolerate: ["ENOENT"],
      },
    ),
  ]),
  ...COVERED_FILES.map(
    (name): Step =>
      step(`proc.cover-${name.replace("_", "-")}`, "mount", ["/dev/null", `/proc/${name}`, 0, MS.BIND, 0], {
        tolerate: ["ENOENT"],
      }),
  ),
  ...COVERED_DIRECTORIES.map(
    (name): Step =>
      step(
        `proc.cover-${name}`,
        "mount",
        ["tmpfs", `/proc/${name}`, "tmpfs", MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC, "mode=755"],
        { tolerate: ["ENOENT"] },
      ),
  ),
];

export const proc: ShapePhase = ({ maskPaths }) => [
  step("proc.mount", "mount", ["proc", "/proc", "proc", MS.NOSUID | MS.NODEV | MS.NOEXEC, 0]),
  ...(maskPaths ? MASKS : []),
];
