// The number of every system call against the C headers of both machines.
import { describe, expect, test } from "bun:test";
import { callName, callNames, callNumber, isCall } from "#ffi/abi/syscall-numbers.ts";
import { type Architecture, SYSCALLS } from "#ffi/syscalls.ts";
import { ARCHITECTURES, linesOfC, output, tool } from "./toolchain.ts";

/** The first call that Debian 12's headers (Linux 6.1) lack; all numbers above it, and these, are younger. */
const FIRST_NEWER = 451;
/** Calls of x86_64 that were put between older ones: Linux 6.11 and 6.18. */
const NEWER_BETWEEN: Readonly<Record<string, number>> = { uretprobe: 335, uprobe: 336 };
/** What asm-generic/unistd.h counts besides calls. */
const NO_CALLS = new Set(["syscalls", "arch_specific_syscall"]);

/** The names that the headers define, with what they expand to. */
function inHeaders(architecture: Architecture): Map<string, number> {
  const macros = output(tool(architecture, "gcc"), "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null");
  const names = [...macros.matchAll(/^#define __NR_(\w+) /gm)]
    .map(([, name = ""]) => name)
    .filter((name) => !NO_CALLS.has(name));
  const print = names.map((name) => `  printf("%d\\n", (int)(__NR_${name}));\n`).join("");
  const source = `#include <asm/unistd.h>\nint printf(const char *, ...);\nint main(void) {\n${print}  return 0;\n}\n`;
  const numbers = linesOfC(architecture, source);
  return new Map(names.map((name, index) => [name, Number(numbers[index])]));
}

for (const architecture of ARCHITECTURES)
  describe(architecture, () => {
    test("every call of the headers is there, by its name and by its number", () => {
      const headers = inHeaders(architecture);
      expect(headers.size).toBeGreaterThan(300);
      const differing = [...headers].filter(
        ([name, number]) => callNumber(name, architecture) !== number || callName(number, architecture) !== name,
      );
      expect(differing).toEqual([]);
    });

    test("what the headers have not is younger than they are", () => {
      const headers = inHeaders(architecture);
      const more = callNames(architecture).filter((name) => !headers.has(name));
      const old = more.filter((name) => {
        const number = callNumber(name, architecture) ?? -1;
        return number < FIRST_NEWER && NEWER_BETWEEN[name] !== number;
      });
      expect(old).toEqual([]);
    });

    test("the calls that tele makes have the numbers that it makes them with", () => {
      for (const [name, signature] of Object.entries(SYSCALLS))
        expect([name, callNumber(name, architecture)]).toEqual([name, signature[architecture]]);
    });

    test("no name and no number is there twice", () => {
      const names = callNames(architecture);
      expect(new Set(names).size).toBe(names.length);
      expect(new Set(names.map((name) => callNumber(name, architecture))).size).toBe(names.length);
    });
  });

test("calls since Linux 6.1 have one number on both machines", () => {
  const newer = callNames("aarch64").filter((name) => (callNumber(name, "aarch64") ?? 0) >= FIRST_NEWER);
  expect(newer.length).toBeGreaterThan(20);
  for (const name of newer) expect([name, callNumber(name, "x86_64")]).toEqual([name, callNumber(name, "aarch64")]);
});

test("calls of other machines are known as such, and have no number", () => {
  for (const name of ["socketcall", "chown32", "riscv_hwprobe", "_llseek"]) {
    expect([name, isCall(name), callNumber(name, "x86_64"), callNumber(name, "aarch64")]).toEqual([
      name,
      true,
      undefined,
      undefined,
    ]);
  }
  expect([callNumber("open", "x86_64"), callNumber("open", "aarch64"), isCall("open")]).toEqual([2, undefined, true]);
  expect(["opne", "", "constructor", " "].map(isCall)).toEqual([false, false, false, false]);
});
