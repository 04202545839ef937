/** A `/dev` of its own: the usual nodes, a new devpts instance, shared memory and message queues; none of the host's disks. */
import { AT } from "#ffi/abi/fcntl.ts";
import { MS } from "#ffi/abi/mount.ts";
import { makedev, S_IFCHR } from "#ffi/abi/stat.ts";
import { type Step, step } from "../step.ts";

/** Name, major, minor (Documentation/admin-guide/devices.txt). */
const NODES = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
] as const;

const LINKS = [
  ["/proc/self/fd", "fd"],
  ["fd/0", "stdin"],
  ["fd/1", "stdout"],
  ["fd/2", "stderr"],
  ["pts/ptmx", "ptmx"],
] as const;

export const dev = (): readonly Step[] => [
  step("dev.mount", "mount", ["tmpfs", "/dev", "tmpfs", MS.NOSUID | MS.NOEXEC, "mode=755,size=64k"]),
  // mknod takes the process's umask off the mode; ours is cleared first and the workload sets its own.
  step("dev.umask", "umask", [0]),
  ...NODES.map(
    ([name, major, minor]): Step =>
      step(`dev.${name}`, "mknodat", [AT.FDCWD, `/dev/${name}`, S_IFCHR | 0o666, makedev(major, minor)]),
  ),
  ...LINKS.map(([target, name]): Step => step(`dev.link-${name}`, "symlinkat", [target, AT.FDCWD, `/dev/${name}`])),
  step("dev.pts-directory", "mkdirat", [AT.FDCWD, "/dev/pts", 0o755]),
  step("dev.pts", "mount", [
    "devpts",
    "/dev/pts",
    "devpts",
    MS.NOSUID | MS.NOEXEC,
    "newinstance,ptmxmode=0666,mode=0620",
  ]),
  step("dev.shm-directory", "mkdirat", [AT.FDCWD, "/dev/shm", 0o1777]),
  step("dev.shm", "mount", ["tmpfs", "/dev/shm", "tmpfs", MS.NOSUID | MS.NODEV, "mode=1777"]),
  step("dev.mqueue-directory", "mkdirat", [AT.FDCWD, "/dev/mqueue", 0o755]),
  step("dev.mqueue", "mount", ["mqueue", "/dev/mqueue", "mqueue", MS.NOSUID | MS.NODEV | MS.NOEXEC, 0], {
    tolerate: ["ENODEV"],
  }),
];
