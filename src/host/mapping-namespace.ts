/** User namespaces that nobody lives in: their maps say how the owners on a mount are seen (mount_setattr(2), MOUNT_ATTR_IDMAP). */
import { CLONE } from "#ffi/abi/clone.ts";
import { AT, O } from "#ffi/abi/fcntl.ts";
import { call, must, type Scratch, scratch } from "#ffi/call.ts";
import { child } from "#ffi/child.ts";
import type { IdMapLine, IdMaps } from "#spec/facts.ts";

/** An id that no file has: the last but one; the last is (uid_t)-1. */
const NOBODY: readonly IdMapLine[] = [{ inside: 4_294_967_293, outside: 4_294_967_293, count: 1 }];

let arena: Scratch | undefined;

/**
 * Makes a user namespace with these maps and gives a descriptor of it, close-on-exec, for close(2): the namespace is
 * gone with it and with the mounts that use it. Needs CAP_SETUID, CAP_SETGID and CAP_SYS_ADMIN, and every id of the
 * maps. Throws SystemError, and nothing is left then.
 *
 * A namespace is born with a process (clone(2), CLONE_NEWUSER). Ours is over before we go on: it leaves at once, and
 * until it is reaped the kernel still has its credentials, by which alone both the maps and /proc/PID/ns/user go. So no
 * process of ours ever waits for us or could outlive us.
 */
export function mappingNamespace(maps: IdMaps): number {
  arena ??= scratch(16 * 1024);
  arena.reset();
  const dead = child(arena, { flags: CLONE.VFORK | CLONE.NEWUSER, calls: [["exit_group", 0]], silent: true });
  try {
    write(arena, `/proc/${dead.pid}/uid_map`, maps.uids);
    write(arena, `/proc/${dead.pid}/gid_map`, maps.gids);
    return must("openat", AT.FDCWD, arena.text(`/proc/${dead.pid}/ns/user`), O.RDONLY | O.CLOEXEC);
  } finally {
    dead.reap();
  }
}

/** A user namespace in which no file has an owner, for the host's tree; as `mappingNamespace`. */
export function unownedNamespace(): number {
  return mappingNamespace({ uids: NOBODY, gids: NOBODY });
}

/** A map is written once and with one write(2) (user_namespaces(7)). */
function write(memory: Scratch, path: string, lines: readonly IdMapLine[]): void {
  const text = lines.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join("");
  const fd = must("openat", AT.FDCWD, memory.text(path), O.WRONLY | O.CLOEXEC);
  try {
    must("write", fd, memory.text(text), Buffer.byteLength(text));
  } finally {
    call("close", fd);
  }
}
