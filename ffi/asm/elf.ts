/** A static ELF executable of two segments, as small as the kernel takes it (elf(5), fs/binfmt_elf.c). */
import type { Architecture } from "../syscalls.ts";
import { CODE_BASE, DATA_BASE, HEADERS } from "./assembler.ts";

const EHDR = 64;
const PHDR = 56;
const PHDRS = 3;
const MACHINE: Readonly<Record<Architecture, number>> = { x86_64: 62, aarch64: 183 };
/** 64 KiB, the largest page of aarch64: addresses and file offsets agree modulo this. */
const ALIGN = 0x10000;

/** What one executable is made of. */
export interface Image {
  readonly architecture: Architecture;
  readonly code: Uint8Array;
  readonly data: Uint8Array;
  /** Zeroed bytes behind `data`. */
  readonly bss: number;
}

/**
 * The file: headers, data, code. Data comes first so that its address does not depend on how long the code is;
 * the stack is not executable, data is not code and code is not writable.
 */
export function elf({ architecture, code, data, bss }: Image): Uint8Array {
  const codeOffset = (HEADERS + data.length + 15) & ~15;
  const file = new Uint8Array(codeOffset + code.length);
  const view = new DataView(file.buffer);
  const word = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);

  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64-bit, little-endian, version 1, System V
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, MACHINE[architecture], true);
  view.setUint32(20, 1, true);
  word(24, CODE_BASE + codeOffset); // e_entry
  word(32, EHDR); // e_phoff
  view.setUint16(52, EHDR, true);
  view.setUint16(54, PHDR, true);
  view.setUint16(56, PHDRS, true);

  const segment = (
    index: number,
    type: number,
    flags: number,
    offset: number,
    address: number,
    size: number,
    memory: number,
  ): void => {
    const at = EHDR + index * PHDR;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    word(at + 8, offset);
    word(at + 16, address);
    word(at + 24, address);
    word(at + 32, size);
    word(at + 40, memory);
    word(at + 48, ALIGN);
  };
  const dataEnd = HEADERS + data.length;
  segment(0, 1, 5, codeOffset, CODE_BASE + codeOffset, code.length, code.length); // PT_LOAD r-x
  segment(1, 1, 6, 0, DATA_BASE - HEADERS, dataEnd, dataEnd + bss); // PT_LOAD rw-
  segment(2, 0x6474e551, 6, 0, 0, 0, 0); // PT_GNU_STACK rw-

  file.set(data, HEADERS);
  file.set(code, codeOffset);
  return file;
}
