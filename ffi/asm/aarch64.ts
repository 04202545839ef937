/** Encodings of aarch64 (Arm ARM, C6.2). System call: number in x8, x0–x5, answer in x0 (syscall(2)). */
import { type Assembler, type Condition, DATA_BASE, type Operand } from "./assembler.ts";
import { bytes, signed32 } from "./bytes.ts";

const RESULT = 0;
const NUMBER = 8;
/** Scratch for addresses and large immediates: x16 and x17, which the procedure call standard leaves to linkers. */
const ADDRESS = 16;
const SCRATCH = 17;
const CONDITIONS: Readonly<Record<Exclude<Condition, "always">, number>> = { equal: 0x0, notEqual: 0x1, less: 0xb };

/** An assembler for aarch64. */
export function aarch64(out = bytes()): Assembler {
  /** movz or movn for the first halfword that matters, movk for the rest. */
  function move(register: number, value: number): void {
    const negative = value < 0;
    const wide = BigInt.asUintN(64, BigInt(value));
    const halves = [0n, 16n, 32n, 48n].map((shift) => Number((wide >> shift) & 0xffffn));
    const filler = negative ? 0xffff : 0;
    const significant = [0, 1, 2, 3].filter((index) => halves[index] !== filler);
    (significant.length > 0 ? significant : [0]).forEach((index, position) => {
      const half = halves[index] ?? 0;
      const opcode = position > 0 ? 0xf2800000 : negative ? 0x92800000 : 0xd2800000;
      out.word(opcode | (index << 21) | ((position === 0 && negative ? ~half & 0xffff : half) << 5) | register);
    });
  }

  const address = (offset: number): void => move(ADDRESS, DATA_BASE + offset);
  const load = (register: number, bits: 32 | 64): void =>
    out.word((bits === 64 ? 0xf9400000 : 0xb9400000) | (ADDRESS << 5) | register);
  const store = (register: number): void => out.word(0xf9000000 | (ADDRESS << 5) | register);
  /** subs xzr, x0, register */
  const compareRegister = (register: number): void => out.word(0xeb00001f | (register << 16) | (RESULT << 5));

  function argument(register: number, operand: Operand): void {
    if (operand.kind === "immediate") move(register, operand.value);
    else if (operand.kind === "address") move(register, DATA_BASE + operand.offset);
    else if (operand.kind === "stack") {
      if (operand.offset >>> 12 !== 0) throw new RangeError("too far up the stack");
      out.word(0x910003e0 | (operand.offset << 10) | register); // add xd, sp, #imm12
    } else {
      address(operand.offset);
      load(register, operand.kind === "value" ? 64 : 32);
    }
  }

  return {
    architecture: "aarch64",
    syscall(number, operands) {
      if (operands.length > 6) throw new Error("a system call takes at most six arguments");
      operands.forEach((operand, index) => argument(index, operand));
      move(NUMBER, number);
      out.word(0xd4000001); // svc #0
    },
    store(offset) {
      address(offset);
      store(RESULT);
    },
    load(offset, bits) {
      address(offset);
      load(RESULT, bits);
    },
    add(value) {
      move(SCRATCH, signed32(value));
      out.word(0x8b000000 | (SCRATCH << 16) | (RESULT << 5) | RESULT); // add x0, x0, x17
    },
    set(offset, value) {
      address(offset);
      move(SCRATCH, signed32(value));
      store(SCRATCH);
    },
    compare(value) {
      move(SCRATCH, signed32(value));
      compareRegister(SCRATCH);
    },
    compareWith(offset) {
      address(offset);
      load(SCRATCH, 64);
      compareRegister(SCRATCH);
    },
    branch(condition, label) {
      const at = out.length;
      const always = condition === "always";
      out.word(always ? 0x14000000 : 0x54000000 | CONDITIONS[condition]); // b, imm26; b.cond, imm19: in words
      out.branch(at, label, (view, from, target) => {
        const words = (target - from) >> 2;
        const bits = always ? 26 : 19;
        if (Math.abs(words) >= 2 ** (bits - 1)) throw new RangeError(`${label} is too far away for a branch`);
        const field = (words & (2 ** bits - 1)) << (always ? 0 : 5);
        view.setInt32(from, view.getInt32(from, true) | field, true);
      });
    },
    trap: () => out.word(0), // udf #0
    label: out.label,
    finish: out.finish,
    fork: () => aarch64(out.fork()),
  };
}
