// What is read of this host and this process.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { hardOpenFiles, ignoredSignals, isPrivileged, missingCapabilities, readFacts } from "#host/facts.ts";
import { NOFILE_HARD } from "#spec/limits.ts";
import { ALL, DOCKER, NONE, status } from "#test/support/doctor-hosts.ts";

test("ignored signals are the bits of SigIgn, counted from one", () => {
  const statusOf = (mask: string): string => `Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t${mask}\nSigCgt:\t0\n`;
  expect(ignoredSignals(statusOf("0000000000000000"))).toEqual([]);
  expect(ignoredSignals(statusOf("0000000000001000"))).toEqual([13]);
  expect(ignoredSignals(statusOf("8000000000000001"))).toEqual([1, 64]);
  expect(ignoredSignals(statusOf("ffffffffffffffff")).length).toBe(64);
  expect(ignoredSignals("Name:\tx\n")).toEqual([]);
});

test("a process that ignores signals is seen to", () => {
  const text = execFileSync("sh", ["-c", "trap '' USR1 TERM PIPE; cat /proc/self/status"], { encoding: "utf8" });
  const ignored = ignoredSignals(text);
  for (const signal of [10, 13, 15]) expect(ignored).toContain(signal);
  expect(ignored).not.toContain(9);
});

test("the hard limit of open files is the second number", () => {
  const limits = (hard: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 ${hard}               files     \nMax pending signals       1 2 signals\n`;
  expect(hardOpenFiles(limits("4096"))).toBe(4096);
  expect(hardOpenFiles(limits("unlimited"))).toBe(Number.MAX_SAFE_INTEGER);
  expect(hardOpenFiles("")).toBe(1024);
  const own = execFileSync("sh", ["-c", "ulimit -n 512; cat /proc/self/limits"], { encoding: "utf8" });
  expect(hardOpenFiles(own)).toBe(512);
});

test("the facts of this host are plain values within their bounds", () => {
  const facts = readFacts(["/var/lib/tele", "/etc/tele"]);
  expect(facts.hide).toEqual(["/var/lib/tele", "/etc/tele"]);
  expect(facts.lastCapability).toBe(Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8")));
  expect(facts.nofileHard).toBeGreaterThan(0);
  expect(facts.nofileHard).toBeLessThanOrEqual(NOFILE_HARD);
  expect(structuredClone(facts)).toEqual(facts);
});

const FIRST = "user:[4026531837]";

test("privileged is who has every capability of a tether over the machine itself", () => {
  expect(isPrivileged(status(0, ALL), FIRST)).toBe(true);
  expect(isPrivileged(status(0, ALL), "user:[4026532277]")).toBe(false);
  expect(isPrivileged(status(0, ALL), "")).toBe(false);
  expect(isPrivileged(status(1000, NONE), FIRST)).toBe(false);
  // All but CAP_SYS_RESOURCE, as some virtual machines have it.
  expect(isPrivileged(status(0, "000001fffeffffff"), FIRST)).toBe(true);
});

test("what is missing is named; of a user other than root only what survives an execve counts", () => {
  expect(missingCapabilities(status(0, DOCKER))).toEqual(["NET_ADMIN", "SYS_ADMIN"]);
  expect(missingCapabilities(status(1000, ALL)).length).toBe(7);
  expect(missingCapabilities(status(1000, ALL, { CapAmb: ALL }))).toEqual([]);
  expect(missingCapabilities("Name:\ttele\n").length).toBe(7);
});

test("facts are read in well under a millisecond", () => {
  readFacts([]);
  const times = Array.from({ length: 50 }, () => {
    const start = performance.now();
    readFacts([]);
    return performance.now() - start;
  });
  expect(Math.min(...times)).toBeLessThan(0.2);
});

test("Landlock's ABI is the kernel's own", () => {
  const { landlock } = readFacts([]);
  expect(landlock).toBeGreaterThanOrEqual(0);
  expect(Number.isInteger(landlock)).toBe(true);
});
