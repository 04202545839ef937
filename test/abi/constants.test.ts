// Every number in ffi/ against the C headers of both machines.
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { CODE_PROTECTION, MMAP } from "#ffi/native/seam.ts";
import { type Architecture, SYSCALLS } from "#ffi/syscalls.ts";
import { makedev } from "#ffi/abi/stat.ts";
import { projectRoot } from "#test/support/sources.ts";
import { type Held, HELD, NEWER, sources } from "./held.ts";
import { ARCHITECTURES, linesOfC } from "./toolchain.ts";

interface Constant {
  readonly ours: string;
  readonly headers: Held["headers"];
  readonly inC: string;
  readonly value: bigint;
}

const folder = join(projectRoot, "ffi/abi");
const modules = readdirSync(folder).sort();
const exported = await Promise.all(
  modules.map(async (name) => [name, (await import(join(folder, name))) as Record<string, unknown>] as const),
);

/** Every constant of ffi/abi/ for an architecture; `EPOLL_EVENT` is the one table that has both. */
function constants(architecture: Architecture): Constant[] {
  return exported.flatMap(([module, names]) =>
    Object.entries(names).flatMap(([name, whole]): Constant[] => {
      const held = HELD[module]?.[name];
      if (!held || typeof whole === "function") return [];
      const value = name === "EPOLL_EVENT" ? (whole as Record<Architecture, unknown>)[architecture] : whole;
      const entries: [key: string, number: unknown][] =
        typeof value === "object" ? Object.entries(value as Record<string, number>) : [["", value]];
      return entries.map(([key, number]) => ({
        ours: `${module}: ${name}${key === "" ? "" : `.${key}`}`,
        headers: held.headers,
        inC: typeof held.inC === "string" ? held.inC : held.inC(key),
        value: BigInt(number as number),
      }));
    }),
  );
}

/** What the headers say of each, in the order given; an absent name answers `absent`. */
function inHeaders(architecture: Architecture, list: readonly Constant[]): string[] {
  const [kernel, libc] = (["kernel", "libc"] as const).map((headers) => list.filter((one) => one.headers === headers));
  const lines = linesOfC(
    architecture,
    ...sources(
      (kernel ?? []).map(({ inC }) => inC),
      (libc ?? []).map(({ inC }) => inC),
    ),
  );
  const answers = new Map([...(kernel ?? []), ...(libc ?? [])].map((constant, index) => [constant, lines[index]]));
  return list.map((constant) => answers.get(constant) ?? "no answer");
}

/** Where ours and the headers differ, one line each. */
function differences(architecture: Architecture, list: readonly Constant[]): string[] {
  const theirs = inHeaders(architecture, list);
  return list.flatMap(({ ours, inC, value }, index) =>
    theirs[index] === String(value) || (inC in NEWER && theirs[index] === "absent")
      ? []
      : [`${ours} is ${value}, but ${inC} is ${theirs[index]} on ${architecture}`],
  );
}

test("every export of ffi/abi/ is held against something", () => {
  const free = exported.flatMap(([module, names]) =>
    Object.entries(names).flatMap(([name, value]) =>
      typeof value === "function" || HELD[module]?.[name] ? [] : [`${module}: ${name} is missing in test/abi/held.ts`],
    ),
  );
  expect(free).toEqual([]);
});

for (const architecture of ARCHITECTURES) {
  test(`${architecture}: constants, sizes and offsets are the headers'`, () => {
    const list = constants(architecture);
    expect(list.length).toBeGreaterThan(250);
    expect(differences(architecture, list)).toEqual([]);
  });

  test(`${architecture}: system calls have the headers' numbers`, () => {
    const list = Object.entries(SYSCALLS).map(
      ([name, signature]): Constant => ({
        ours: `syscalls.ts: ${name}`,
        headers: "kernel",
        inC: `__NR_${name}`,
        value: BigInt(signature[architecture]),
      }),
    );
    expect(list.length).toBeGreaterThan(40);
    expect(differences(architecture, list)).toEqual([]);
  });

  test(`${architecture}: memory flags and device numbers are the headers'`, () => {
    const one = (inC: string, value: number, headers: Held["headers"] = "kernel"): Constant => ({
      ours: inC,
      headers,
      inC,
      value: BigInt(value),
    });
    const devices = [
      [1, 3],
      [5, 0],
      [136, 255],
      [259, 256],
      [4095, 0xfffff],
    ] as const;
    const list = [
      one("PROT_READ | PROT_WRITE", MMAP.protection),
      one("PROT_READ | PROT_EXEC", CODE_PROTECTION),
      one("MAP_PRIVATE | MAP_ANONYMOUS", MMAP.flags),
      ...devices.map(([major, minor]) =>
        one(`(unsigned)makedev(${major}, ${minor})`, makedev(major, minor) >>> 0, "libc"),
      ),
    ];
    expect(differences(architecture, list)).toEqual([]);
  });
}

test("a wrong number is found and named", () => {
  const wrong: Constant = { ours: "fcntl.ts: O.PATH", headers: "kernel", inC: "O_PATH", value: 1n };
  expect(differences("x86_64", [wrong])).toEqual(["fcntl.ts: O.PATH is 1, but O_PATH is 2097152 on x86_64"]);
});
