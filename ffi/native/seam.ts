/** What an implementation of the seam gives, and the numbers that both need. */

/** Anonymous memory of this process: its address and a live view of it. */
export interface Region {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** A C function of integer-class arguments; addresses and results are safe integers. */
export type NativeFunction = (...args: number[]) => number;

/** What an implementation gives. */
export interface Native {
  readonly name: "bun:ffi" | "koffi";
  /** mmap(2): `length` bytes, private, anonymous, readable and writable, zeroed. Never moves, never freed by itself. */
  map(length: number): Region;
  /** mprotect(2) with `PROT_READ|PROT_EXEC`: from then on the region is code. */
  makeExecutable(region: Region): void;
  /** The function at an address, taking `arity` 64-bit integers and returning one. */
  functionAt(address: number, arity: number): NativeFunction;
  /** Collects garbage and gives memory back to the system, where the runtime lets itself be asked. Takes milliseconds. */
  collectGarbage(): void;
}

/** PROT_READ|PROT_WRITE and MAP_PRIVATE|MAP_ANONYMOUS (mmap(2)); the same numbers on x86_64 and aarch64. */
export const MMAP = { protection: 3, flags: 0x22 } as const;
/** PROT_READ|PROT_EXEC (mprotect(2)). */
export const CODE_PROTECTION = 5;
