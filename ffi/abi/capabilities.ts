/** capabilities(7), capset(2). */
export const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
/** `CAP_CHECKPOINT_RESTORE`, the last capability of Linux 5.9 and, so far, after. */
export const CAP_LAST_CAP = 40;

/** `struct __user_cap_header_struct` for the caller itself. */
export function capHeader(): Uint8Array {
  return new Uint8Array(Uint32Array.of(LINUX_CAPABILITY_VERSION_3, 0).buffer);
}

/** Two `struct __user_cap_data_struct` with these capabilities, by number: effective and permitted, and the inheritable ones. */
export function capData(numbers: readonly number[], inheritable: readonly number[] = []): Uint8Array {
  const words = new Uint32Array(6);
  const put = (number: number, set: number): void => {
    const at = (number >> 5) * 3 + set;
    words[at] = (words[at] ?? 0) | (1 << (number & 31));
  };
  for (const number of numbers) for (const set of [0, 1]) put(number, set);
  for (const number of inheritable) put(number, 2);
  return new Uint8Array(words.buffer);
}
