// The two encoders: what objdump reads in their bytes is what was asked for.
import { describe, expect, test } from "bun:test";
import { type Assembler, type Condition, DATA_BASE, type Operand } from "#ffi/asm/assembler.ts";
import { aarch64 } from "#ffi/asm/aarch64.ts";
import { x86_64 } from "#ffi/asm/x86_64.ts";
import type { Architecture } from "#ffi/syscalls.ts";
import { assembled, disassembled } from "./toolchain.ts";

const MAKE: Readonly<Record<Architecture, () => Assembler>> = { x86_64, aarch64 };

/** Registers of the six arguments, by calling convention of the kernel (syscall(2)). */
const ARGUMENTS = {
  x86_64: ["rdi", "rsi", "rdx", "r10", "r8", "r9"],
  aarch64: ["x0", "x1", "x2", "x3", "x4", "x5"],
} as const;
const NUMBER = { x86_64: "rax", aarch64: "x8" } as const;

const EDGES = [
  0,
  1,
  -1,
  2,
  0x7f,
  0x80,
  0xffff,
  0x1_0000,
  -0x1_0000,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
  -0x7fff_ffff,
  -0x8000_0000,
  -0x8000_0001,
  0x1_0000_0000,
  -0x1_0000_0000,
  0x1234_5678_9abc,
  0xffff_0000_ffff,
  -0x1234_0000_5678,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
];

/** The disassembly of what `emit` asks for. */
function read(architecture: Architecture, emit: (asm: Assembler) => void): string[] {
  const asm = MAKE[architecture]();
  emit(asm);
  return disassembled(architecture, asm.finish());
}

/** The 64-bit register that an x86_64 name is (part of): `r10d` and `r10` are `r10`, `edi` and `rdi` are `rdi`. */
const whole = (name: string): string => name.replace(/^e/, "r").replace(/^(r\d+)d$/, "$1");

/**
 * What registers hold after moves of constants: a reading of the disassembly by the manuals, not by our encoder. A load
 * from memory leaves the address in brackets. Throws on any other instruction.
 */
function registers(lines: readonly string[]): Map<string, bigint | string> {
  const held = new Map<string, bigint | string>();
  const moves: [RegExp, (match: string[]) => void][] = [
    [/^xor (e\w+|r\d+d),\1$/, ([, to = ""]) => held.set(whole(to), 0n)],
    [/^mov(?:abs)? (\w+),0x(\w+)$/, ([, to = "", value]) => held.set(whole(to), BigInt(`0x${value}`))],
    [/^mov (r\w+),QWORD PTR ds:0x(\w+)$/, ([, to = "", at]) => held.set(to, `[${at}]`)],
    [
      /^mov([zn]) (x\d+), #0x(\w+)(?:, lsl #(\d+))?$/,
      ([, kind, to = "", value, shift = "0"]) => {
        const wide = BigInt(`0x${value}`) << BigInt(shift);
        held.set(to, kind === "n" ? BigInt.asUintN(64, ~wide) : wide);
      },
    ],
    [
      /^movk (x\d+), #0x(\w+)(?:, lsl #(\d+))?$/,
      ([, to = "", value, shift = "0"]) => {
        const mask = 0xffffn << BigInt(shift);
        const before = held.get(to);
        if (typeof before !== "bigint") throw new Error(`movk into ${to}, which holds ${before}`);
        held.set(to, (before & ~mask) | (BigInt(`0x${value}`) << BigInt(shift)));
      },
    ],
    [
      /^ldr (x\d+), \[(x\d+)\]$/,
      ([, to = "", from = ""]) => held.set(to, `[${(held.get(from) as bigint).toString(16)}]`),
    ],
  ];
  for (const line of lines) {
    const found = moves.some(([pattern, apply]) => {
      const match = pattern.exec(line);
      if (match) apply(match);
      return match !== null;
    });
    if (!found) throw new Error(`no move of a constant: ${line}`);
  }
  return held;
}

/** The operands of one system call as the kernel would find them. */
function operandsOf(architecture: Architecture, number: number, operands: readonly Operand[]) {
  const lines = read(architecture, (asm) => asm.syscall(number, operands));
  expect(lines.pop()).toBe(architecture === "x86_64" ? "syscall" : "svc #0x0");
  const held = registers(lines);
  return {
    number: held.get(NUMBER[architecture]),
    operands: operands.map((_, index) => held.get(ARGUMENTS[architecture][index] ?? "")),
  };
}

const wide = (value: number): bigint => BigInt.asUintN(64, BigInt(value));
const hex = (offset: number): string => (DATA_BASE + offset).toString(16);
const immediate = (value: number): Operand => ({ kind: "immediate", value });

for (const architecture of ["x86_64", "aarch64"] as const) {
  describe(architecture, () => {
    test("every number reaches every argument register whole", () => {
      for (let first = 0; first < EDGES.length; first++) {
        const values = ARGUMENTS[architecture].map((_, index) => EDGES[(first + index) % EDGES.length] ?? 0);
        expect(operandsOf(architecture, 435, values.map(immediate))).toEqual({
          number: 435n,
          operands: values.map(wide),
        });
      }
    });

    test("addresses and values of data reach every argument register", () => {
      const offsets = [0, 8, 504, 4096, 0xffff - 0xf0, 0x1_0000 - 0xf0, 0x12_3458];
      for (let first = 0; first < offsets.length; first++) {
        const list = ARGUMENTS[architecture].map((_, index) => offsets[(first + index) % offsets.length] ?? 0);
        const addresses = operandsOf(
          architecture,
          0,
          list.map((offset): Operand => ({ kind: "address", offset })),
        );
        expect(addresses).toEqual({ number: 0n, operands: list.map((offset) => BigInt(DATA_BASE + offset)) });
        const values = operandsOf(
          architecture,
          444,
          list.map((offset): Operand => ({ kind: "value", offset })),
        );
        expect(values).toEqual({ number: 444n, operands: list.map((offset) => `[${hex(offset)}]`) });
      }
    });

    test("a call has any number of operands up to six", () => {
      for (let count = 0; count <= 6; count++) {
        const values = Array.from({ length: count }, (_, index) => index + 7);
        expect(operandsOf(architecture, 60, values.map(immediate)).operands).toEqual(values.map(wide));
      }
      expect(() =>
        MAKE[architecture]().syscall(
          0,
          Array.from({ length: 7 }, () => immediate(1)),
        ),
      ).toThrow(/at most six/);
    });

    test("a number that 32 signed bits do not hold is refused where the machine takes no more", () => {
      for (const value of [0x8000_0000, -0x8000_0001, 0xffff_ffff, 1.5]) {
        const asm = MAKE[architecture]();
        for (const operation of [() => asm.set(0, value), () => asm.add(value), () => asm.compare(value)])
          expect(operation).toThrow(`${value} does not fit into 32 signed bits`);
      }
    });

    test("a branch to a label that is nowhere, or there twice, is refused", () => {
      const asm = MAKE[architecture]();
      asm.branch("always", "nowhere");
      expect(() => asm.finish()).toThrow("no label nowhere");
      asm.label("nowhere");
      expect(() => asm.label("nowhere")).toThrow("label nowhere is there twice");
    });

    test("branches reach their labels, forwards and backwards, near and far", () => {
      const names = {
        x86_64: { equal: "je", notEqual: "jne", less: "jl", always: "jmp" },
        aarch64: { equal: "b.eq", notEqual: "b.ne", less: "b.lt", always: "b" },
      }[architecture];
      for (const distance of [0, 1, 40, 3000]) {
        for (const condition of ["equal", "notEqual", "less", "always"] as Condition[]) {
          const asm = MAKE[architecture]();
          asm.label("start");
          for (let index = 0; index < distance; index++) asm.syscall(1, []);
          asm.branch(condition, "end");
          asm.branch(condition, "start");
          for (let index = 0; index < distance; index++) asm.syscall(1, []);
          asm.label("end");
          asm.add(0);
          const code = asm.finish();
          const added = MAKE[architecture]();
          added.add(0);
          const end = code.length - added.finish().length;
          const branches = disassembled(architecture, code).filter((line) => /^(j|b[ .])/.test(line));
          expect(branches).toEqual([`${names[condition]} 0x${end.toString(16)}`, `${names[condition]} 0x0`]);
        }
      }
    });
  });
}

const SMALL = [0, 1, -1, 0x7fff_ffff, -0x8000_0000];

/** As objdump writes a 64-bit constant. */
const text = (value: number): string => `0x${wide(value).toString(16)}`;

test("x86_64: store, load, add, set and compare", () => {
  expect(
    read("x86_64", (asm) => {
      asm.store(8);
      asm.load(16, 64);
      asm.load(24, 32);
      asm.compareWith(32);
    }),
  ).toEqual([
    `mov QWORD PTR ds:0x${hex(8)},rax`,
    `mov rax,QWORD PTR ds:0x${hex(16)}`,
    // The empty prefix does nothing; a 32-bit move clears the upper half.
    `rex mov eax,DWORD PTR ds:0x${hex(24)}`,
    `cmp rax,QWORD PTR ds:0x${hex(32)}`,
  ]);
  for (const value of SMALL) {
    expect(
      read("x86_64", (asm) => {
        asm.add(value);
        asm.set(40, value);
        asm.compare(value);
      }),
    ).toEqual([`add rax,${text(value)}`, `mov QWORD PTR ds:0x${hex(40)},${text(value)}`, `cmp rax,${text(value)}`]);
  }
});

test("aarch64: store, load, add, set and compare are byte for byte what the assembler makes", () => {
  const address = (offset: number): string =>
    `movz x16, #${(DATA_BASE + offset) & 0xffff}\nmovk x16, #${(DATA_BASE + offset) >>> 16}, lsl #16`;
  const constants: Record<number, string> = {
    0: "movz x17, #0",
    1: "movz x17, #1",
    [-1]: "movn x17, #0",
    [0x7fff_ffff]: "movz x17, #0xffff\nmovk x17, #0x7fff, lsl #16",
    [-0x8000_0000]: "movn x17, #0xffff\nmovk x17, #0x8000, lsl #16",
  };
  const expected: string[] = [];
  const asm = aarch64();
  asm.store(8);
  asm.load(16, 64);
  asm.load(24, 32);
  asm.compareWith(32);
  expected.push(
    `${address(8)}\nstr x0, [x16]`,
    `${address(16)}\nldr x0, [x16]`,
    `${address(24)}\nldr w0, [x16]`,
    `${address(32)}\nldr x17, [x16]\nsubs xzr, x0, x17`,
  );
  for (const value of SMALL) {
    asm.add(value);
    asm.set(40, value);
    asm.compare(value);
    expected.push(
      `${constants[value]}\nadd x0, x0, x17`,
      `${address(40)}\n${constants[value]}\nstr x17, [x16]`,
      `${constants[value]}\nsubs xzr, x0, x17`,
    );
  }
  const code = asm.finish();
  expect(disassembled("aarch64", code)).toEqual(disassembled("aarch64", assembled("aarch64", expected.join("\n"))));
  expect(code).toEqual(assembled("aarch64", expected.join("\n")));
});

test("aarch64: a branch beyond the reach of its encoding is refused", () => {
  const asm = aarch64();
  asm.branch("less", "far");
  for (let index = 0; index < 2 ** 17; index++) asm.syscall(0x1_0000, []);
  asm.label("far");
  expect(() => asm.finish()).toThrow("far is too far away");
});

for (const architecture of ["x86_64", "aarch64"] as const) {
  test(`${architecture}: a trap is an instruction that no processor knows`, () => {
    const [line = ""] = read(architecture, (asm) => asm.trap());
    expect(line).toMatch(architecture === "x86_64" ? /^ud2/ : /^udf\s+#0$/);
  });

  test(`${architecture}: half a value is loaded with 32 bits, the upper ones cleared`, () => {
    const text = read(architecture, (asm) => asm.syscall(0, [{ kind: "half", offset: 4 }])).join("\n");
    expect(text).toMatch(architecture === "x86_64" ? /mov\s+edi,DWORD PTR ds:0x/ : /ldr\s+w0, ?\[x16\]/);
  });
}
