// The routines that run in this process: each instruction's text, given to the GNU assembler, is its bytes.
import { expect, test } from "bun:test";
import { type Instruction, stubBytes, STUBS } from "#ffi/asm/stubs.ts";
import { SYSCALLS } from "#ffi/syscalls.ts";
import { ARCHITECTURES, assembled } from "./toolchain.ts";

/** Each instruction with its bytes, as hexadecimal, cut out of `code` at the lengths that ours have. */
function cut(instructions: readonly Instruction[], code: Uint8Array): string[] {
  let at = 0;
  return instructions.map(([text, hex]) => {
    const bytes = code.subarray(at, (at += hex.length / 2));
    return `${text}  ${Buffer.from(bytes).toString("hex")}`;
  });
}

for (const architecture of ARCHITECTURES) {
  for (const name of ["call", "launch"] as const) {
    test(`${architecture}: the assembler makes the same bytes of \`${name}\``, () => {
      const instructions = STUBS[architecture][name];
      const expected = assembled(architecture, instructions.map(([text]) => text).join("\n"));
      expect(cut(instructions, stubBytes(instructions))).toEqual(cut(instructions, expected));
      expect(stubBytes(instructions).length).toBe(expected.length);
    });
  }

  test(`${architecture}: \`launch\` makes the calls that it says, by this machine's numbers`, () => {
    const register = architecture === "x86_64" ? /^mov eax, (\d+)$/ : /^mov x8, #(\d+)$/;
    const numbers = STUBS[architecture].launch.flatMap(([text]) => register.exec(text)?.[1] ?? []).map(Number);
    const expected = (["rt_sigprocmask", "clone3", "rt_sigprocmask", "exit_group"] as const).map(
      (call) => SYSCALLS[call][architecture],
    );
    expect(numbers).toEqual(expected);
  });
}
