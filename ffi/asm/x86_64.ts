/** Encodings of x86_64 (Intel SDM volume 2). System call: number in rax, rdi rsi rdx r10 r8 r9, answer in rax (syscall(2)). */
import { type Assembler, type Condition, DATA_BASE, type Operand } from "./assembler.ts";
import { bytes, signed32 } from "./bytes.ts";

/** Register numbers of the six arguments. */
const ARGUMENTS = [7, 6, 2, 10, 8, 9] as const;
const RAX = 0;
const CONDITIONS: Readonly<Record<Exclude<Condition, "always">, number>> = { equal: 0x84, notEqual: 0x85, less: 0x8c };

/** An assembler for x86_64. */
export function x86_64(out = bytes()): Assembler {
  /** mov register, value: the shortest form that holds it. */
  function move(register: number, value: number): void {
    const high = register >> 3;
    const low = register & 7;
    if (value === 0) {
      if (high) out.byte(0x45);
      out.byte(0x31); // xor r32, r32
      out.byte(0xc0 | (low << 3) | low);
    } else if (value > 0 && value <= 0xffff_ffff) {
      if (high) out.byte(0x41);
      out.byte(0xb8 | low); // mov r32, imm32
      out.word(value | 0);
    } else if (value < 0 && value >= -0x8000_0000) {
      out.byte(0x48 | high);
      out.byte(0xc7); // mov r64, simm32
      out.byte(0xc0 | low);
      out.word(value);
    } else {
      out.byte(0x48 | high);
      out.byte(0xb8 | low); // mov r64, imm64
      out.quad(BigInt(value));
    }
  }

  /** [disp32] without a base: ModRM rm=100, SIB 0x25. */
  function absolute(rex: number, opcode: number, register: number, offset: number): void {
    out.byte(rex | ((register >> 3) << 2));
    out.byte(opcode);
    out.byte(0x04 | ((register & 7) << 3));
    out.byte(0x25);
    out.word(DATA_BASE + offset);
  }

  function argument(register: number, operand: Operand): void {
    if (operand.kind === "immediate") move(register, operand.value);
    else if (operand.kind === "address") move(register, DATA_BASE + operand.offset);
    else if (operand.kind === "stack") {
      out.byte(0x48 | ((register >> 3) << 2));
      out.byte(0x8d); // lea r64, [rsp + disp32]
      out.byte(0x84 | ((register & 7) << 3));
      out.byte(0x24);
      out.word(operand.offset);
    } else absolute(operand.kind === "value" ? 0x48 : 0x40, 0x8b, register, operand.offset); // mov r64 or r32, [disp32]
  }

  return {
    architecture: "x86_64",
    syscall(number, operands) {
      for (let i = 0; i < operands.length; i++) argument(argumentRegister(i), operands[i] as Operand);
      move(RAX, number);
      out.half(0x050f); // syscall
    },
    store: (offset) => absolute(0x48, 0x89, RAX, offset),
    load(offset, bits) {
      if (bits === 64) absolute(0x48, 0x8b, RAX, offset);
      else absolute(0x40, 0x8b, RAX, offset); // a 32-bit move clears the upper half
    },
    add(value) {
      out.half(0x0548); // add rax, simm32
      out.word(signed32(value));
    },
    set(offset, value) {
      out.word(0x2504c748); // mov qword [disp32], simm32
      out.word(DATA_BASE + offset);
      out.word(signed32(value));
    },
    compare(value) {
      out.half(0x3d48); // cmp rax, simm32
      out.word(signed32(value));
    },
    compareWith: (offset) => absolute(0x48, 0x3b, RAX, offset),
    branch(condition, label) {
      if (condition === "always") out.byte(0xe9);
      else out.half(0x0f | (CONDITIONS[condition] << 8));
      // rel32 counts from the end of the instruction.
      out.branch(out.length, label, (view, at, target) => view.setInt32(at, target - (at + 4), true));
      out.word(0);
    },
    trap: () => out.half(0x0b0f), // ud2
    label: out.label,
    finish: out.finish,
    fork: () => x86_64(out.fork()),
  };
}

function argumentRegister(index: number): number {
  const register = ARGUMENTS[index];
  if (register === undefined) throw new Error("a system call takes at most six arguments");
  return register;
}
