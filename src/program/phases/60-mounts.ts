/**
 * The mounts that a job asks for, one after the other.
 *
 * A source is looked up in the host's old root and a target in the new one, each once, with openat2(2): `..` ends inside
 * of that root, and no link is followed. The links that a spec's paths had were followed when it was admitted; one that
 * is there now was put there meanwhile (CVE-2021-30465). What was looked up is held by its descriptor.
 */
import { AT, O } from "#ffi/abi/fcntl.ts";
import { MS } from "#ffi/abi/mount.ts";
import { MOUNT_ATTR, MOUNT_ATTR_SIZE, MOVE_MOUNT, mountAttr, OPEN_TREE } from "#ffi/abi/mount-api.ts";
import { OPEN_HOW_SIZE, openHow, RESOLVE } from "#ffi/abi/openat2.ts";
import { S_IFREG } from "#ffi/abi/stat.ts";
import type { Mount } from "#spec/mounts.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { Phase, PlanInput } from "../phase.ts";
import { type Step, step } from "../step.ts";

const FOUND = openHow(O.PATH | O.CLOEXEC, RESOLVE.IN_ROOT | RESOLVE.NO_SYMLINKS);
const CLONE_TREE = OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC | OPEN_TREE.AT_RECURSIVE;
const WHOLE_TREE = OPEN_TREE.AT_EMPTY_PATH | OPEN_TREE.AT_RECURSIVE;
/** Trees in which places for mounts are made where they are missing. */
const MAKEABLE = ["/tmp", "/run", "/dev/shm"] as const;

export const mounts: Phase = (input) => {
  const { spec } = input;
  return spec.mounts.flatMap((mount, index): Step[] => [
    ...place(input, mount, index),
    ...(mount.type === "tmpfs" ? tmpfs(input, mount, index) : bind(input, mount, index)),
  ]);
};

/** Whether ids on a mount of the host have to be translated: 0 in the job then is 0 on the disk, and so on. */
export function isIdMapped({ policy, facts }: Pick<PlanInput, "policy" | "facts">, mount: Mount): boolean {
  return mount.type === "bind" && policy.userns === "private" && facts.privileged;
}

function bind(input: PlanInput, mount: Exclude<Mount, { type: "tmpfs" }>, index: number): Step[] {
  const label = `mount.bind-${index}`;
  const attach: Step[] = [
    step(`mount.target-${index}`, "openat2", [AT.FDCWD, mount.target, FOUND, OPEN_HOW_SIZE], { save: "target" }),
    step(`mount.attach-${index}`, "move_mount", [
      { slot: "tree" },
      "",
      { slot: "target" },
      "",
      MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.T_EMPTY_PATH,
    ]),
  ];
  // The sandbox's own, with its masks.
  if (mount.type !== "bind")
    return [step(label, "open_tree", [AT.FDCWD, `/${mount.type}`, CLONE_TREE], { save: "tree" }), ...attach];
  const set = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | (mount.readOnly ? MOUNT_ATTR.RDONLY : 0);
  return [
    step(`mount.source-${index}`, "openat2", [{ slot: "old" }, relative(mount.source), FOUND, OPEN_HOW_SIZE], {
      save: "source",
    }),
    step(label, "open_tree", [{ slot: "source" }, "", CLONE_TREE | OPEN_TREE.AT_EMPTY_PATH], { save: "tree" }),
    step(`mount.flags-${index}`, "mount_setattr", [{ slot: "tree" }, "", WHOLE_TREE, mountAttr(set), MOUNT_ATTR_SIZE]),
    ...(isIdMapped(input, mount) ? [owners(mount, index)] : []),
    ...attach,
  ];
}

/** Not every file system can do it (EINVAL): what is only read then shows strangers' owners, what is written is refused. */
function owners(mount: Extract<Mount, { type: "bind" }>, index: number): Step {
  const attr = mountAttr(MOUNT_ATTR.IDMAP, { usernsFd: TETHER_FD.idmap });
  return step(
    `mount.owners-${index}`,
    "mount_setattr",
    [{ slot: "tree" }, "", WHOLE_TREE, attr, MOUNT_ATTR_SIZE],
    mount.readOnly ? { tolerate: ["EINVAL"] } : {},
  );
}

function tmpfs(input: PlanInput, mount: Extract<Mount, { type: "tmpfs" }>, index: number): Step[] {
  const owner = ownerOutside(input);
  const options = [
    `mode=${mount.mode.toString(8)}`,
    ...(mount.size === undefined ? [] : [`size=${mount.size}`]),
    ...(owner ? [`uid=${owner.uid}`, `gid=${owner.gid}`] : []),
  ];
  return [
    step(`mount.target-${index}`, "openat2", [AT.FDCWD, mount.target, FOUND, OPEN_HOW_SIZE], { save: "target" }),
    step(`mount.enter-${index}`, "fchdir", [{ slot: "target" }]),
    step(`mount.tmpfs-${index}`, "mount", ["tmpfs", ".", "tmpfs", MS.NOSUID | MS.NODEV, options.join(",")]),
    step(`mount.leave-${index}`, "chdir", ["/"]),
  ];
}

/** Makes what of the target is missing, each directory in its parent as it was found: no link of another job is followed. */
function place({ spec, files = [] }: PlanInput, mount: Mount, index: number): Step[] {
  const parts = relative(mount.target).split("/");
  const trees = [
    ...MAKEABLE,
    ...spec.mounts.slice(0, index).flatMap((one) => (one.type === "tmpfs" ? one.target : [])),
  ];
  const below = trees.find((tree) => mount.target.startsWith(`${tree}/`));
  if (spec.root.type === "host" && below === undefined) return [];
  const first = below === undefined ? 0 : relative(below).split("/").length;
  return parts.slice(first).flatMap((name, position): Step[] => {
    const depth = first + position;
    const number = `${index}-${depth}`;
    const last = depth === parts.length - 1;
    return [
      step(
        `mount.parent-${number}`,
        "openat2",
        [AT.FDCWD, `/${parts.slice(0, depth).join("/")}`, FOUND, OPEN_HOW_SIZE],
        { save: "parent" },
      ),
      last && mount.type === "bind" && files.includes(mount.source)
        ? step(`mount.file-${number}`, "mknodat", [{ slot: "parent" }, name, S_IFREG | 0o644, 0], {
            tolerate: ["EEXIST"],
          })
        : step(`mount.directory-${number}`, "mkdirat", [{ slot: "parent" }, name, 0o755], { tolerate: ["EEXIST"] }),
    ];
  });
}

/** The job's root as the tether numbers it; undefined where the two are the same. */
export function ownerOutside({ policy, facts, ids }: PlanInput): { uid: number; gid: number } | undefined {
  if (!facts.privileged || policy.userns === "host") return undefined;
  return { uid: ids?.uids[0]?.outside ?? 0, gid: ids?.gids[0]?.outside ?? 0 };
}

function relative(path: string): string {
  return path.split("/").filter(Boolean).join("/") || ".";
}
