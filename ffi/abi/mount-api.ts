/** open_tree(2), move_mount(2), mount_setattr(2). */
/** `open_tree` and `mount_setattr` share their flag word with `AT_*`; O_CLOEXEC is the same bit on both machines. */
export const OPEN_TREE = {
  OPEN_TREE_CLONE: 0x1,
  OPEN_TREE_CLOEXEC: 0x80000,
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_EMPTY_PATH: 0x1000,
  AT_RECURSIVE: 0x8000,
} as const;
export const MOVE_MOUNT = {
  F_SYMLINKS: 0x1,
  F_AUTOMOUNTS: 0x2,
  F_EMPTY_PATH: 0x4,
  T_SYMLINKS: 0x10,
  T_AUTOMOUNTS: 0x20,
  T_EMPTY_PATH: 0x40,
} as const;
export const MOUNT_ATTR = { RDONLY: 0x1, NOSUID: 0x2, NODEV: 0x4, NOEXEC: 0x8, IDMAP: 0x100000 } as const;
/** Bytes of `struct mount_attr` as of Linux 5.12. */
export const MOUNT_ATTR_SIZE = 32;

/** `struct mount_attr`: { attr_set, attr_clr, propagation, userns_fd }, 64 bits each. */
export function mountAttr(
  set: number,
  options: { clear?: number; propagation?: number; usernsFd?: number } = {},
): Uint8Array {
  const words = BigUint64Array.of(
    BigInt(set),
    BigInt(options.clear ?? 0),
    BigInt(options.propagation ?? 0),
    BigInt(options.usernsFd ?? 0),
  );
  return new Uint8Array(words.buffer);
}
