/** A `/dev` of its own: the usual nodes, a new devpts instance, shared memory; none of the host's disks. */
import { AT } from "#ffi/abi/fcntl.ts";
import { MS } from "#ffi/abi/mount.ts";
import { MOVE_MOUNT, OPEN_TREE } from "#ffi/abi/mount-api.ts";
import { makedev, S_IFCHR, S_IFREG } from "#ffi/abi/stat.ts";
import type { ShapePhase } from "../shape.ts";
import { type Step, step } from "../step.ts";

/** Name, major, minor (Documentation/admin-guide/devices.txt). Without a terminal the console is the null device. */
const NODES = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
  ["console", 1, 3],
] as const;

const LINKS = [
  ["/proc/self/fd", "fd"],
  ["fd/0", "stdin"],
  ["fd/1", "stdout"],
  ["fd/2", "stderr"],
  ["pts/ptmx", "ptmx"],
] as const;

/** A node needs CAP_MKNOD over the machine itself (user_namespaces(7)); without it the host's own is bound. */
function node([name, major, minor]: (typeof NODES)[number], privileged: boolean): Step[] {
  if (privileged)
    return [step(`dev.${name}`, "mknodat", [AT.FDCWD, `/dev/${name}`, S_IFCHR | 0o666, makedev(major, minor)])];
  const source = name === "console" ? "null" : name;
  return [
    step(`dev.place-${name}`, "mknodat", [AT.FDCWD, `/dev/${name}`, S_IFREG | 0o644, 0]),
    step(
      `dev.host-${name}`,
      "open_tree",
      [{ slot: "old" }, `dev/${source}`, OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC],
      { save: "node" },
    ),
    step(`dev.${name}`, "move_mount", [{ slot: "node" }, "", AT.FDCWD, `/dev/${name}`, MOVE_MOUNT.F_EMPTY_PATH]),
  ];
}

export const dev: ShapePhase = ({ facts }) => [
  step("dev.mount", "mount", ["tmpfs", "/dev", "tmpfs", MS.NOSUID | MS.NOEXEC, "mode=755,size=64k"]),
  // mknod takes the process's umask off the mode; ours is cleared first and the workload sets its own.
  step("dev.umask", "umask", [0]),
  ...NODES.flatMap((one) => node(one, facts.privileged)),
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
  // Mounted by the workload, whose message queues it shows.
  step("dev.mqueue-directory", "mkdirat", [AT.FDCWD, "/dev/mqueue", 0o755]),
];
