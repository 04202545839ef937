/** capabilities(7), capset(2). */
export const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
/** `CAP_CHECKPOINT_RESTORE`, the last capability of Linux 5.9 and, so far, after. */
export const CAP_LAST_CAP = 40;

/** `struct __user_cap_header_struct` for the caller itself. */
export function capHeader(): Uint8Array {
  return new Uint8Array(Uint32Array.of(LINUX_CAPABILITY_VERSION_3, 0).buffer);
}

/** Two `struct __user_cap_data_struct` with nothing in any set. */
export function noCapabilities(): Uint8Array {
  return new Uint8Array(24);
}
