/** landlock(7): what a ruleset may say of files. */
export const LANDLOCK_RULE = { PATH_BENEATH: 1 } as const;
export const LANDLOCK_CREATE_RULESET_VERSION = 1;

export const LANDLOCK_ACCESS_FS = {
  EXECUTE: 0x1,
  WRITE_FILE: 0x2,
  READ_FILE: 0x4,
  READ_DIR: 0x8,
  REMOVE_DIR: 0x10,
  REMOVE_FILE: 0x20,
  MAKE_CHAR: 0x40,
  MAKE_DIR: 0x80,
  MAKE_REG: 0x100,
  MAKE_SOCK: 0x200,
  MAKE_FIFO: 0x400,
  MAKE_BLOCK: 0x800,
  MAKE_SYM: 0x1000,
  /** ABI 2, Linux 5.19 */
  REFER: 0x2000,
  /** ABI 3, Linux 6.2 */
  TRUNCATE: 0x4000,
  /** ABI 5, Linux 6.10 */
  IOCTL_DEV: 0x8000,
} as const;

/** Bytes of `struct landlock_ruleset_attr` as of ABI 1: only files are handled. */
export const LANDLOCK_RULESET_SIZE = 8;
/** `struct landlock_path_beneath_attr`: { allowed_access: 64 bits, parent_fd: 32 bits }, packed. */
export const LANDLOCK_PATH_BENEATH = { size: 12, allowed_access: 0, parent_fd: 8 } as const;

/** Everything that this ABI can refuse. */
export function landlockAccess(abi: number): number {
  const { REFER, TRUNCATE, IOCTL_DEV } = LANDLOCK_ACCESS_FS;
  return 0x1fff | (abi >= 2 ? REFER : 0) | (abi >= 3 ? TRUNCATE : 0) | (abi >= 5 ? IOCTL_DEV : 0);
}
