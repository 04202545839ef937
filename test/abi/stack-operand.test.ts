// Arguments that lie on a tether's stack: what objdump reads is the address that was asked for.
import { expect, test } from "bun:test";
import { aarch64 } from "#ffi/asm/aarch64.ts";
import { x86_64 } from "#ffi/asm/x86_64.ts";
import { disassembled } from "./toolchain.ts";

const operands = Array.from({ length: 6 }, () => ({ kind: "stack", offset: 16 }) as const);

test("x86_64: lea of each argument's register", () => {
  const asm = x86_64();
  asm.syscall(39, operands);
  const lines = disassembled("x86_64", asm.finish()).slice(0, 6);
  expect(lines.map((line) => line.replaceAll(/\s+/g, " "))).toEqual(
    ["rdi", "rsi", "rdx", "r10", "r8", "r9"].map((register) => `lea ${register},[rsp+0x10]`),
  );
});

test("aarch64: add to each argument's register, and no further than its immediate goes", () => {
  const asm = aarch64();
  asm.syscall(172, operands);
  const lines = disassembled("aarch64", asm.finish()).slice(0, 6);
  expect(lines.map((line) => line.replaceAll(/\s+/g, " "))).toEqual(
    [0, 1, 2, 3, 4, 5].map((number) => `add x${number}, sp, #0x10`),
  );
  expect(() => aarch64().syscall(172, [{ kind: "stack", offset: 4096 }])).toThrow(RangeError);
});
