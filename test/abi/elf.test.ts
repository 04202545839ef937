// The executables that we write: as readelf shows them, and as kernels run them.
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aarch64 } from "#ffi/asm/aarch64.ts";
import { type Assembler, DATA_BASE, type Operand } from "#ffi/asm/assembler.ts";
import { elf } from "#ffi/asm/elf.ts";
import { x86_64 } from "#ffi/asm/x86_64.ts";
import { type Architecture, SYSCALLS } from "#ffi/syscalls.ts";
import { ARCHITECTURES, inFolder, output, runner, tool } from "./toolchain.ts";

const MAKE: Readonly<Record<Architecture, () => Assembler>> = { x86_64, aarch64 };

/** A whole executable from what `emit` asks for. */
function executable(
  architecture: Architecture,
  emit: (asm: Assembler) => void,
  data = new Uint8Array(),
  bss = 0,
): Uint8Array {
  const asm = MAKE[architecture]();
  emit(asm);
  return elf({ architecture, code: asm.finish(), data, bss });
}

/** Runs an executable to its end. */
function run(architecture: Architecture, file: Uint8Array, input = ""): { status: number | null; out: Buffer } {
  return inFolder((folder) => {
    const path = join(folder, "program");
    writeFileSync(path, file);
    chmodSync(path, 0o755);
    const [program, ...args] = [...runner(architecture), path];
    const { status, stdout } = spawnSync(program, args, { input });
    return { status, out: stdout };
  });
}

const immediate = (value: number): Operand => ({ kind: "immediate", value });
const address = (offset: number): Operand => ({ kind: "address", offset });
const value = (offset: number): Operand => ({ kind: "value", offset });

for (const architecture of ARCHITECTURES) {
  const call = (asm: Assembler, name: keyof typeof SYSCALLS, ...operands: Operand[]): void =>
    asm.syscall(SYSCALLS[name][architecture], operands);

  test(`${architecture}: two segments, one code and one data, a stack that is not code`, () => {
    const file = executable(architecture, (asm) => call(asm, "exit_group", immediate(0)), new Uint8Array(100), 5000);
    const text = inFolder((folder) => {
      const path = join(folder, "program");
      writeFileSync(path, file);
      return output(tool(architecture, "readelf"), "-lhW", path);
    });
    expect(text).not.toMatch(/warning|error/i);
    const header = (name: string): string => new RegExp(`^ *${name}: *(.*)$`, "m").exec(text)?.[1] ?? "";
    expect(header("Type")).toStartWith("EXEC");
    expect(header("Machine")).toMatch({ x86_64: /X86-64/, aarch64: /AArch64/ }[architecture]);
    const segments = [...text.matchAll(/^ +([A-Z_]+) +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+) 0x(\w+) ([RWE ]{3}) 0x(\w+)/gm)];
    expect(segments.map(([, type, , , , , flags]) => `${type} ${flags?.replaceAll(" ", "")}`)).toEqual([
      "LOAD RE",
      "LOAD RW",
      "GNU_STACK RW",
    ]);
    const numbers = segments.map(([, , ...columns]) => columns.map((column) => Number.parseInt(column, 16)));
    const [code = [], data = []] = numbers;
    // Offset and address agree modulo the alignment, as mmap(2) needs it on every page size up to that.
    for (const [offset = 0, at = 0, , , , alignment = 1] of numbers.slice(0, 2)) {
      expect(at % alignment).toBe(offset % alignment);
      expect(alignment).toBe(0x10000);
    }
    expect(Number(header("Entry point address"))).toBe(code[1] ?? 0);
    expect(code[2]).toBe(code[3] ?? 0);
    expect([data[0], data[1]]).toEqual([0, DATA_BASE - 240]);
    expect(data.slice(2, 4)).toEqual([240 + 100, 240 + 100 + 5000]);
    // No page belongs to both.
    expect((code[1] ?? 0) + (code[3] ?? 0)).toBeLessThan(data[1] ?? 0);
  });

  test(`${architecture}: the smallest program runs and leaves with its status`, () => {
    const file = executable(architecture, (asm) => call(asm, "exit_group", immediate(7)));
    expect(run(architecture, file)).toEqual({ status: 7, out: Buffer.alloc(0) });
  });

  test(`${architecture}: the machine does what each operation says`, () => {
    const data = new Uint8Array(96);
    const view = new DataView(data.buffer);
    view.setBigInt64(0, 41n, true);
    view.setBigInt64(8, -2n, true);
    view.setBigInt64(16, 80n, true);
    const file = executable(
      architecture,
      (asm) => {
        asm.load(0, 64);
        asm.add(1);
        asm.store(24); // 42
        asm.load(8, 32);
        asm.store(32); // 0xfffffffe
        asm.load(8, 64);
        asm.add(-0x8000_0000);
        asm.store(40); // -0x80000002
        asm.set(48, -0x8000_0000);
        asm.set(56, 0x7fff_ffff);
        // Each comparison marks its place when it is wrong.
        const expectBranch = (place: number, test: () => void, condition: "equal" | "notEqual" | "less"): void => {
          test();
          asm.branch(condition, `right ${place}`);
          asm.set(64, place);
          asm.label(`right ${place}`);
        };
        const dontBranch = (place: number, test: () => void, condition: "equal" | "notEqual" | "less"): void => {
          test();
          asm.branch(condition, `wrong ${place}`);
          asm.branch("always", `right ${place}`);
          asm.label(`wrong ${place}`);
          asm.set(64, place);
          asm.label(`right ${place}`);
        };
        asm.load(8, 64); // -2
        expectBranch(1, () => asm.compare(-2), "equal");
        expectBranch(2, () => asm.compare(-1), "less");
        expectBranch(3, () => asm.compare(0), "less");
        expectBranch(4, () => asm.compare(0x7fff_ffff), "less");
        expectBranch(5, () => asm.compare(-0x8000_0000), "notEqual");
        expectBranch(6, () => asm.compareWith(8), "equal");
        expectBranch(7, () => asm.compareWith(0), "less");
        dontBranch(8, () => asm.compare(-3), "less");
        dontBranch(9, () => asm.compare(-2), "notEqual");
        dontBranch(10, () => asm.compareWith(0), "equal");
        dontBranch(11, () => asm.compare(-0x8000_0000), "less");
        // A failed call answers -errno, and the next one still runs: EBADF is 9.
        call(asm, "close", immediate(-1));
        asm.store(72);
        call(asm, "write", immediate(1), address(24), immediate(64));
        call(asm, "exit_group", value(16));
      },
      data,
    );
    const { status, out } = run(architecture, file);
    expect(status).toBe(80);
    expect([...new BigInt64Array(new Uint8Array(out).buffer)]).toEqual([
      42n,
      0xffff_fffen,
      -0x8000_0002n,
      -0x8000_0000n,
      0x7fff_ffffn,
      0n,
      -9n,
      0n,
    ]);
  });

  test(`${architecture}: memory behind the data is zero, data can be written, code cannot`, () => {
    const file = executable(
      architecture,
      (asm) => {
        asm.load(70_000, 64);
        asm.store(8);
        asm.set(70_008, 5);
        // A write(2) out of the code's own page works, a read(2) into it is EFAULT.
        call(asm, "write", immediate(1), immediate(0x1000_0000 + 256), immediate(4));
        call(asm, "read", immediate(0), immediate(0x1000_0000 + 256), immediate(1));
        asm.store(16);
        call(asm, "write", immediate(1), address(8), immediate(16));
        call(asm, "exit_group", value(70_008));
      },
      new Uint8Array(16).fill(0xee),
      80_000,
    );
    const { status, out } = run(architecture, file, "x");
    expect(status).toBe(5);
    expect(out.length).toBe(4 + 16);
    expect([...new BigInt64Array(new Uint8Array(out.subarray(4)).buffer)]).toEqual([0n, -14n]);
  });
}
