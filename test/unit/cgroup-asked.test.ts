// Limits of a cgroup where only some are asked for: what is left out is written nowhere, and says so.
import { expect, test } from "bun:test";
import type { CgroupFacts, Holder } from "#host/cgroup/facts.ts";
import { planLimits } from "#host/cgroup/plan.ts";
import { askedLimits } from "#runtime/foreground/limits.ts";

const facts = (by: "cgroup1" | "cgroup2"): CgroupFacts => {
  const holder: Holder = { by, parent: "/c" };
  return {
    layout: by === "cgroup2" ? "v2" : "v1",
    holders: { cpu: holder, cpuacct: holder, memory: holder, io: holder, pids: holder },
    swapAccounting: true,
    hostSwap: true,
    devices: [{ name: "vda", number: "254:0", stacked: false }],
  };
};
const writes = (by: "cgroup1" | "cgroup2", limits: Parameters<typeof planLimits>[1]): string[] =>
  planLimits(facts(by), limits).writes.map(({ file, value }) => `${file}=${value}`);

test("nothing asked is nothing written", () => {
  const plan = planLimits(facts("cgroup2"), {});
  expect(plan.writes).toEqual([]);
  expect(new Set(Object.values(plan.enforced).map(({ why }) => why))).toEqual(new Set(["not asked for"]));
});

test("memory goes with no swap, unless swap is asked for", () => {
  expect(writes("cgroup2", askedLimits({ limits: { memory: 2 ** 20 } }))).toEqual([
    "memory.max=1048576",
    "memory.oom.group=1",
    "memory.swap.max=0",
  ]);
  expect(writes("cgroup1", askedLimits({ limits: { memory: 2 ** 20, swap: 5 } }))).toEqual([
    "memory.limit_in_bytes=1048576",
    "memory.memsw.limit_in_bytes=1048581",
  ]);
  expect(askedLimits({ limits: { pids: 3 } }).swap).toBeUndefined();
});

test("swap alone is no limit that cgroup v1 can hold", () => {
  expect(writes("cgroup2", { swap: 7 })).toEqual(["memory.swap.max=7"]);
  const plan = planLimits(facts("cgroup1"), { swap: 7 });
  expect(plan.writes).toEqual([]);
  expect(plan.enforced.swap).toEqual({ by: "none", why: "cgroup v1 holds swap only together with a limit of memory" });
});

test("only the disk's rates that were asked for", () => {
  expect(writes("cgroup2", { io: { rbps: 5 } })).toEqual(["io.max=254:0 rbps=5"]);
  expect(writes("cgroup1", { io: { wiops: 9 } })).toEqual(["blkio.throttle.write_iops_device=254:0 9"]);
});
