/** close_range(2). */
export const CLOSE_RANGE = { UNSHARE: 2, CLOEXEC: 4 } as const;
/** The greatest descriptor as the kernel's `unsigned int`. */
export const LAST_DESCRIPTOR = 0xffff_ffff;
