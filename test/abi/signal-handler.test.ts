// The handler that writes down a signal: each instruction's text, given to the GNU assembler, is its bytes.
import { expect, test } from "bun:test";
import { signalHandler } from "#ffi/asm/signal-handler.ts";
import { stubBytes } from "#ffi/asm/stubs.ts";
import { SYSCALLS } from "#ffi/syscalls.ts";
import { ARCHITECTURES, assembled } from "./toolchain.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

for (const architecture of ARCHITECTURES)
  for (const fd of [0, 33, 1023, 65_535])
    test(`${architecture}: the assembler makes the same bytes for descriptor ${fd}`, () => {
      for (const instructions of Object.values(signalHandler(architecture, fd))) {
        if (instructions.length === 0) continue;
        const text = instructions.map(([line]: readonly [string, string]) => line).join("\n");
        expect(hex(stubBytes(instructions))).toBe(hex(assembled(architecture, text)));
      }
      const numbers = signalHandler(architecture, fd).handler.flatMap(
        ([line]) => /^mov (?:eax|x8), #?(\d+)$/.exec(line)?.[1] ?? [],
      );
      expect(numbers.map(Number)).toEqual([SYSCALLS.write[architecture]]);
    });
