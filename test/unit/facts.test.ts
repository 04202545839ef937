// What is read of this host and this process.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { hardOpenFiles, ignoredSignals, readFacts } from "#host/facts.ts";
import { NOFILE_HARD } from "#spec/limits.ts";

test("ignored signals are the bits of SigIgn, counted from one", () => {
  const status = (mask: string): string => `Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t${mask}\nSigCgt:\t0\n`;
  expect(ignoredSignals(status("0000000000000000"))).toEqual([]);
  expect(ignoredSignals(status("0000000000001000"))).toEqual([13]);
  expect(ignoredSignals(status("8000000000000001"))).toEqual([1, 64]);
  expect(ignoredSignals(status("ffffffffffffffff")).length).toBe(64);
  expect(ignoredSignals("Name:\tx\n")).toEqual([]);
});

test("a process that ignores signals is seen to", () => {
  const status = execFileSync("sh", ["-c", "trap '' USR1 TERM PIPE; cat /proc/self/status"], { encoding: "utf8" });
  const ignored = ignoredSignals(status);
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
