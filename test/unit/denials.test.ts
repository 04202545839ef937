// Denied calls counted and answered, without a kernel.
import { expect, test } from "bun:test";
import { ERRNO } from "#ffi/abi/errno.ts";
import { callNumber } from "#ffi/abi/syscall-numbers.ts";
import type { Filter } from "#program/seccomp/filter.ts";
import { profileFilter } from "#program/seccomp/profiles.ts";
import { callCounts, denialsOf } from "#runtime/denials.ts";
import { learnedFilter } from "#runtime/foreground/denials.ts";

test("calls are listed by count, then by name, under the names of their machine", () => {
  for (const architecture of ["x86_64", "aarch64"] as const) {
    const counts = callCounts();
    const add = (name: string): void => counts.add(callNumber(name, architecture) as number);
    for (const name of ["mount", "keyctl", "bpf", "keyctl", "mount", "keyctl"]) add(name);
    counts.add(1001);
    expect(counts.list(architecture)).toEqual([
      { call: "keyctl", count: 3 },
      { call: "mount", count: 2 },
      { call: "1001", count: 1 },
      { call: "bpf", count: 1 },
    ]);
    expect(counts.names(architecture).sort()).toEqual(["bpf", "keyctl", "mount"]);
  }
});

test("numbers beyond any machine's are one entry, and no more than sixty-four entries are listed", () => {
  const counts = callCounts();
  for (let number = 1024; number < 100_000; number++) counts.add(number);
  for (const number of [-1, -(2 ** 31), 2 ** 31 - 1]) counts.add(number);
  expect(counts.list("x86_64")).toEqual([{ call: "others", count: 100_000 - 1024 + 3 }]);
  expect(counts.names("x86_64")).toEqual([]);
  for (let number = 0; number < 1024; number++) for (let times = 0; times <= number % 100; times++) counts.add(number);
  const list = counts.list("x86_64");
  expect(list).toHaveLength(64);
  expect(list[0]?.call).toBe("others");
  expect(list.map(({ count }) => count)).toEqual(list.map(({ count }) => count).sort((one, other) => other - one));
});

test("what is answered is what the filter means, and never that the kernel may go on", () => {
  const filter: Filter = {
    default: { errno: ERRNO.ENOSYS },
    rules: [
      { calls: ["mount"], action: { errno: 77 }, args: [{ arg: 3, op: "==", value: 5n }] },
      { calls: ["mount"], action: { errno: ERRNO.EPERM } },
      { calls: ["getpid"], action: "ALLOW" },
    ],
  };
  const decide = denialsOf(filter);
  expect(decide("mount", [0n, 0n, 0n, 5n, 0n, 0n])).toBe(77);
  expect(decide("mount", [0n, 0n, 0n, 6n, 0n, 0n])).toBe(ERRNO.EPERM);
  expect(decide("bpf", [])).toBe(ERRNO.ENOSYS);
  expect(decide(undefined, [])).toBe(ERRNO.ENOSYS);
  expect(decide("getpid", [])).toBe(ERRNO.ENOSYS);
});

test("a learned filter has what every sandbox makes under its own, and what signals make", () => {
  expect(learnedFilter(["read", "mmap", "read"], { noNewPrivileges: true })).toEqual({
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ERRNO.ENOSYS,
    syscalls: [
      {
        names: ["execve", "exit_group", "mmap", "read", "restart_syscall", "rt_sigreturn", "write"],
        action: "SCMP_ACT_ALLOW",
      },
    ],
  });
  expect(learnedFilter([], { noNewPrivileges: false }).syscalls[0]?.names).toContain("capset");
});

test("a profile's filter answers the same on the other side of a message", () => {
  const filter = profileFilter("default", []);
  const [ours, theirs] = [denialsOf(filter), denialsOf(structuredClone(filter))];
  for (const name of ["mount", "keyctl", "socket", "clone", "ioctl", "prctl", "nosuchcall"])
    for (const args of [
      [0n, 0n, 0n, 0n, 0n, 0n],
      [16n, 0x5412n, 2n ** 64n - 1n, 4n, 5n, 6n],
    ])
      expect(theirs(name, args)).toBe(ours(name, args));
});
