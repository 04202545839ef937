/** openat2(2). */
export const RESOLVE = { NO_XDEV: 0x1, NO_MAGICLINKS: 0x2, NO_SYMLINKS: 0x4, BENEATH: 0x8, IN_ROOT: 0x10 } as const;
/** Bytes of `struct open_how`: { flags, mode, resolve }, 64 bits each. */
export const OPEN_HOW_SIZE = 24;

/** `struct open_how`; the kernel refuses a mode for what is not created. */
export function openHow(flags: number, resolve: number, mode = 0): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(flags), BigInt(mode), BigInt(resolve)).buffer);
}
