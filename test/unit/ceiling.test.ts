import { expect, test } from "bun:test";
import { ceilingFaults, parseCeiling, underCeiling } from "#spec/ceiling.ts";
import { effectiveLimits } from "#spec/limits.ts";

test("a ceiling is read from a flag's text", () => {
  expect(parseCeiling("cpus=0.5,memory=4Gi,wbps=100Mi")).toEqual({ cpus: 0.5, memory: 2 ** 32, wbps: 100 * 2 ** 20 });
  expect(parseCeiling("memory-high=1Gi")).toEqual({ memoryHigh: 2 ** 30 });
});

test("a ceiling of nothing known, or of no amount, is refused by name", () => {
  expect(parseCeiling("disk=1Gi")).toContain("disk: there is no such limit");
  expect(parseCeiling("memory=lots")).toBe("memory=lots: not an amount");
  expect(parseCeiling("memory")).toBe("memory: not an amount");
  expect(parseCeiling("cpus=-1")).toBe("cpus=-1: not an amount");
});

test("everything that is asked for beyond the ceiling is named at once", () => {
  const faults = ceilingFaults(
    { memory: 2 ** 33, pids: 10, io: { wbps: 2000 } },
    { memory: 2 ** 32, pids: 10, wbps: 1000 },
  );
  expect(faults.map(({ pointer }) => pointer)).toEqual(["/limits/memory", "/limits/io/wbps"]);
});

test("defaults give way to a lower ceiling, and what was asked for stays", () => {
  const limits = underCeiling({ pids: 7 }, { memory: 2 ** 20, rbps: 5, pids: 100 });
  expect(limits).toEqual({ pids: 7, memory: 2 ** 20, io: { rbps: 5 } });
  expect(effectiveLimits(limits).io).toEqual({ ...effectiveLimits({}).io, rbps: 5 });
  expect(underCeiling({}, { memory: 2 ** 40 })).toEqual({});
});
