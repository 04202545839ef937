/**
 * What a program needs of a machine: call the kernel, keep a result, compare, branch. One file per architecture
 * encodes it. `data` offsets count from the start of the program's own data, which lies at a fixed address.
 */
import type { Architecture } from "../syscalls.ts";

/** An argument of a system call. */
export type Operand =
  | { readonly kind: "immediate"; readonly value: number }
  /** The address of `data[offset]`. */
  | { readonly kind: "address"; readonly offset: number }
  /** The 64-bit value in `data[offset]`. */
  | { readonly kind: "value"; readonly offset: number }
  /** The 32-bit value in `data[offset]`, zero-extended. */
  | { readonly kind: "half"; readonly offset: number }
  /** The address of `stack[offset]`: nothing is ever pushed, so that there lie argc, argv and envp as execve(2) left them. */
  | { readonly kind: "stack"; readonly offset: number };

/** When to branch, after `compare`. */
export type Condition = "equal" | "notEqual" | "less" | "always";

/** Emits code; `result` is the register that a system call answers in. */
export interface Assembler {
  readonly architecture: Architecture;
  /** result = the kernel's answer, negative for an error. At most six operands. */
  syscall(number: number, operands: readonly Operand[]): void;
  /** data[offset] = result, 64 bits. */
  store(offset: number): void;
  /** result = data[offset], 64 bits or 32 zero-extended. */
  load(offset: number, bits: 32 | 64): void;
  /** result += a signed 32-bit number. */
  add(value: number): void;
  /** data[offset] = a signed 32-bit number, as 64 bits. */
  set(offset: number, value: number): void;
  /** Compares result with a signed 32-bit number. */
  compare(value: number): void;
  /** Compares result with the 64 bits in data[offset]. */
  compareWith(offset: number): void;
  branch(condition: Condition, label: string): void;
  /** Ends the process with SIGILL, where nothing else could. */
  trap(): void;
  label(name: string): void;
  /** The code, every branch resolved. Throws on a label that is missing. */
  finish(): Uint8Array;
  /** An assembler that goes on from here, on its own. */
  fork(): Assembler;
}

/** Where a tether's code lies; below 2 GiB, so that x86_64 reaches it with 32 bits. */
export const CODE_BASE = 0x1000_0000;
/** Bytes of ELF header and program headers, which are mapped in front of the data. */
export const HEADERS = 240;
/** Where a tether's data lies. */
export const DATA_BASE = 0x2000_0000 + HEADERS;
