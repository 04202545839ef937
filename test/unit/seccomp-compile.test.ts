// What a filter compiles to decides as the filter says: every number, both machines, all arguments at their edges.
import { describe, expect, test } from "bun:test";
import { AUDIT_ARCH } from "#ffi/abi/audit.ts";
import { SECCOMP_RET } from "#ffi/abi/seccomp.ts";
import { callName, callNames, callNumber } from "#ffi/abi/syscall-numbers.ts";
import type { Architecture } from "#ffi/syscalls.ts";
import { compile } from "#program/seccomp/compile.ts";
import { type Action, type Condition, type Filter, type Operator, rulesByCall, word } from "#program/seccomp/filter.ts";
import { fromOci } from "#program/seccomp/oci.ts";
import { type FilterProfile, profileFilter } from "#program/seccomp/profiles.ts";
import { learning, reporting } from "#program/seccomp/supervised.ts";
import { TETHER_FILTER } from "#program/seccomp/tether.ts";
import { CAPABILITIES, DOCKER_CAPABILITIES } from "#spec/capabilities.ts";
import { AUDIT, expected, refusal, run } from "#test/support/bpf.ts";

const ARCHITECTURES: readonly Architecture[] = ["x86_64", "aarch64"];
const LAST = 0xffff_ffff_ffff_ffffn;

/** The same numbers each time (mulberry32). */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

/** Values of one argument that a condition could get wrong. */
function edges({ value, mask = LAST }: Condition): bigint[] {
  const high = 1n << 32n;
  const near = [
    value,
    value + 1n,
    value - 1n,
    value ^ high,
    value | (1n << 63n),
    value | ~mask,
    mask,
    ~mask,
    mask & -mask,
  ];
  return [...near, 0n, 1n, high, high - 1n, LAST].map((one) => BigInt.asUintN(64, one));
}

/** Lists of six arguments: every combination of the edges where they are few, and some of them where they are many. */
function argumentsOf(conditions: readonly Condition[], roll: (sides: number) => number, most: number): bigint[][] {
  const choices = [0, 1, 2, 3, 4, 5].map((arg) => [
    ...new Set(conditions.filter((one) => one.arg === arg).flatMap(edges)),
  ]);
  const combinations = choices.reduce((count, { length }) => count * Math.max(1, length), 1);
  return Array.from({ length: Math.min(combinations, most) }, (_, index) => {
    let rest = combinations <= most ? index : roll(2 ** 31);
    return choices.map((list) => {
      const value = list[rest % Math.max(1, list.length)] ?? 0n;
      rest = combinations <= most ? Math.floor(rest / Math.max(1, list.length)) : roll(2 ** 31);
      return value;
    });
  });
}

const OTHER_NUMBERS = [0x3fff_ffff, 0x4000_0000, 0x4000_0000 + 59, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/** Holds a program against its filter, and says what differs. */
function differences(filter: Filter, architecture: Architecture, most = 400): string[] {
  const program = compile(filter, architecture);
  const refused = refusal(program);
  if (refused !== undefined) return [`the kernel refuses it: ${refused}`];
  const roll = dice(1);
  const found: string[] = [];
  const index = rulesByCall(filter);
  for (const number of [...Array(700).keys(), ...OTHER_NUMBERS]) {
    const rules = index.get(callName(number, architecture) ?? "") ?? [];
    for (const args of argumentsOf(
      rules.flatMap((rule) => rule.args ?? []),
      roll,
      most,
    )) {
      const call = { audit: AUDIT[architecture], number, args };
      const { answer } = run(program, call);
      const right = expected(filter, architecture, call);
      if (answer !== right)
        found.push(
          `${callName(number, architecture) ?? number}(${args.join(", ")}): ${hex(answer)}, not ${hex(right)}`,
        );
    }
  }
  return found;
}

const hex = (number: number): string => `0x${number.toString(16)}`;

const profiles: readonly FilterProfile[] = ["strict", "default", "dev"];
const filters: Readonly<Record<string, Filter>> = {
  tether: TETHER_FILTER,
  learning: learning(7, 3),
  "an empty one": { default: "ALLOW", rules: [] },
  ...Object.fromEntries(
    profiles.flatMap((profile) => [
      [profile, profileFilter(profile, [])],
      [`${profile} with docker's capabilities`, profileFilter(profile, DOCKER_CAPABILITIES)],
      [`${profile} with all capabilities`, profileFilter(profile, CAPABILITIES)],
      [`${profile}, reporting`, reporting(profileFilter(profile, []), 5)],
    ]),
  ),
};

for (const architecture of ARCHITECTURES) {
  describe(architecture, () => {
    for (const [name, filter] of Object.entries(filters))
      test(`${name}: the program decides as the filter does`, () => {
        expect(differences(filter, architecture)).toEqual([]);
      });

    for (const profile of profiles)
      test(`each capability by itself, ${profile}`, () => {
        for (const capability of CAPABILITIES)
          expect(differences(profileFilter(profile, [capability]), architecture)).toEqual([]);
      });

    test("random filters, also such as are longer than a jump reaches", () => {
      const roll = dice(architecture.length);
      const longest = Array.from({ length: 12 }, (_, round) => {
        const filter = randomFilter(roll, architecture, 2 + round * 8);
        expect(differences(filter, architecture, 30)).toEqual([]);
        return compile(filter, architecture).length / 8;
      });
      expect(Math.max(...longest)).toBeGreaterThan(1000);
    });

    test("the numbers of another architecture kill, whatever the filter says", () => {
      for (const filter of Object.values(filters)) {
        const program = compile(filter, architecture);
        const others = [...Object.values(AUDIT_ARCH), 0].filter((one) => one !== AUDIT[architecture]);
        for (const audit of others)
          for (const number of [0, 1, 11, 102, 120, 0x4000_0001])
            expect(run(program, { audit, number, args: [] }).answer).toBe(SECCOMP_RET.KILL_PROCESS);
      }
    });

    test("programs are short, and the way to an answer is", () => {
      for (const profile of profiles) {
        const program = compile(profileFilter(profile, []), architecture);
        expect(program.length / 8).toBeLessThan(150);
        for (const name of callNames(architecture)) {
          const call = { audit: AUDIT[architecture], number: callNumber(name, architecture) ?? -1, args: [] };
          expect(run(program, call).steps).toBeLessThanOrEqual(24);
        }
      }
      expect(compile(TETHER_FILTER, architecture).length / 8).toBeLessThan(40);
    });

    test("what is always allowed is decided before any argument is loaded", () => {
      const program = compile(profileFilter("default", []), architecture);
      for (const name of ["read", "write", "openat", "mmap", "futex", "execve", "epoll_pwait"]) {
        const number = callNumber(name, architecture) ?? -1;
        // Two loads, of the architecture and of the number; the rest are comparisons, and the answer.
        const calls = [0n, LAST].map((value) =>
          run(program, { audit: AUDIT[architecture], number, args: Array(6).fill(value) }),
        );
        expect(calls[0]).toEqual(calls[1] as (typeof calls)[0]);
        expect(calls[0]?.answer).toBe(SECCOMP_RET.ALLOW);
      }
    });
  });
}

function randomFilter(roll: (sides: number) => number, architecture: Architecture, rules: number): Filter {
  const names = callNames(architecture);
  const pick = <T>(list: readonly T[]): T => list[roll(list.length)] as T;
  const actions: readonly Action[] = ["ALLOW", "LOG", "TRAP", "USER_NOTIF", { errno: 1 }, { errno: 4095 }];
  const operators: readonly Operator[] = ["==", "!=", "<", "<=", ">", ">="];
  const masks = [LAST, 0xffff_ffffn, 0xffff_ffff_0000_0000n, 0xff00n, 1n << 40n, 0x8000_0000_0000_0001n, 0n];
  const values = [0n, 1n, 0xffff_ffffn, 1n << 32n, 0x1_0000_5412n, 1n << 63n, LAST, 0xff00n];
  const condition = (): Condition => ({
    arg: roll(6),
    op: pick(operators),
    value: pick(values),
    ...(roll(2) === 0 && { mask: pick(masks) }),
  });
  return {
    default: pick(actions),
    rules: Array.from({ length: rules }, () => ({
      calls: Array.from({ length: 1 + roll(20) }, () => pick(names)),
      action: pick(actions),
      args: Array.from({ length: roll(4) }, condition),
    })),
  };
}

describe("bad filters", () => {
  test("every name that no machine has is named, and the way out", () => {
    const filter: Filter = { default: "ALLOW", rules: [{ calls: ["opne", "read", "wirte"], action: "LOG" }] };
    for (const architecture of ARCHITECTURES)
      expect(() => compile(filter, architecture)).toThrow("there are no system calls opne, wirte");
    expect(() => compile({ default: "ALLOW", rules: [{ calls: ["opne"], action: "LOG" }] }, "x86_64")).toThrow(
      "there is no system call opne",
    );
  });

  test("a name that only another machine has is passed over", () => {
    const filter: Filter = {
      default: { errno: 1 },
      rules: [{ calls: ["open", "socketcall", "read"], action: "ALLOW" }],
    };
    expect(differences(filter, "aarch64")).toEqual([]);
    expect(differences(filter, "x86_64")).toEqual([]);
  });

  test("one that is too long for the kernel says so, however long", () => {
    const many = (rules: number): Filter => ({
      default: { errno: 1 },
      rules: Array.from({ length: rules }, (_, value) => ({
        calls: ["read"],
        action: "ALLOW",
        args: [word(0, "==", value), word(1, "==", value * 2), word(2, "==", value * 3)],
      })),
    });
    expect(differences(many(600), "x86_64")).toEqual([]);
    for (const rules of [1400, 20_000])
      expect(() => compile(many(rules), "x86_64")).toThrow(/the filter needs \d+ instructions; the kernel takes 4096/);
  });

  test("a list of a runtime that asks for more than there is room for is a fault, not a crash", () => {
    const args = [0, 1, 2, 3, 4, 5].map((index) => ({ index, value: 2 ** 40 + index, op: "SCMP_CMP_GT" as const }));
    const oci = {
      defaultAction: "SCMP_ACT_KILL" as const,
      syscalls: Array.from({ length: 1000 }, (_, rule) => ({
        names: callNames("x86_64"),
        action: "SCMP_ACT_ALLOW" as const,
        args: args.map((one) => ({ ...one, value: one.value + rule })),
      })),
    };
    expect(() => compile(fromOci(oci), "x86_64")).toThrow("the kernel takes 4096");
  });
});
