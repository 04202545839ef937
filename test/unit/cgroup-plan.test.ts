import { describe, expect, test } from "bun:test";
import type { CgroupFacts, Holder } from "#host/cgroup/facts.ts";
import { jobParents } from "#host/cgroup/facts.ts";
import { planLimits, settle } from "#host/cgroup/plan.ts";
import { DEFAULT_LIMITS } from "#spec/limits.ts";

const two: Holder = { by: "cgroup2", parent: "/c/tele/jobs" };
const one = (name: string): Holder => ({ by: "cgroup1", parent: `/c/${name}/tele` });
const vda = { name: "vda", number: "254:0", stacked: false };
const sdb = { name: "sdb", number: "8:16", stacked: false };

const v2: CgroupFacts = {
  layout: "v2",
  holders: { cpu: two, cpuacct: two, memory: two, io: two, pids: two },
  swapAccounting: true,
  hostSwap: true,
  devices: [vda],
};
const v1: CgroupFacts = {
  ...v2,
  layout: "v1",
  holders: {
    cpu: one("cpu,cpuacct"),
    cpuacct: one("cpu,cpuacct"),
    memory: one("memory"),
    io: one("blkio"),
    pids: one("pids"),
  },
};
const files = (facts: CgroupFacts): string[] =>
  planLimits(facts, DEFAULT_LIMITS).writes.map(({ file, value }) => `${file} = ${value}`);

describe("planLimits", () => {
  test("the defaults on cgroup v2", () => {
    expect(files(v2)).toEqual([
      "cpu.max = 100000 1000000",
      "memory.max = 536870912",
      "memory.oom.group = 1",
      "memory.high = 402653184",
      "memory.swap.max = 0",
      "pids.max = 512",
      "io.max = 254:0 rbps=83886080 wbps=41943040 riops=1000 wiops=1000",
    ]);
    const { enforced } = planLimits(v2, DEFAULT_LIMITS);
    for (const by of Object.values(enforced)) expect(by).toEqual({ by: "cgroup2" });
  });

  test("the defaults on cgroup v1, the period before the quota and memory before memory with swap", () => {
    expect(files(v1)).toEqual([
      "cpu.cfs_period_us = 1000000",
      "cpu.cfs_quota_us = 100000",
      "memory.limit_in_bytes = 536870912",
      "memory.memsw.limit_in_bytes = 536870912",
      "pids.max = 512",
      "blkio.throttle.read_bps_device = 254:0 83886080",
      "blkio.throttle.write_bps_device = 254:0 41943040",
      "blkio.throttle.read_iops_device = 254:0 1000",
      "blkio.throttle.write_iops_device = 254:0 1000",
    ]);
    const { enforced } = planLimits(v1, DEFAULT_LIMITS);
    expect(enforced.memoryHigh).toEqual({ by: "none", why: expect.stringContaining("cgroup v1") });
    expect(enforced.io).toEqual({ by: "cgroup1", why: expect.stringContaining("buffered") });
    expect(enforced.swap).toEqual({ by: "cgroup1" });
  });

  test("co-mounted controllers share one directory", () => {
    expect(jobParents(v1).map(({ parent }) => parent)).toEqual([
      "/c/cpu,cpuacct/tele",
      "/c/memory/tele",
      "/c/blkio/tele",
      "/c/pids/tele",
    ]);
    expect(jobParents(v2)).toEqual([{ by: "cgroup2", parent: "/c/tele/jobs" }]);
  });

  test("a hybrid host is planned controller by controller, and says that io without memory misses buffered writes", () => {
    const hybrid = { ...v2, layout: "hybrid", holders: { ...v2.holders, memory: one("memory") } } as const;
    const { enforced } = planLimits(hybrid, DEFAULT_LIMITS);
    expect(enforced.cpus.by).toBe("cgroup2");
    expect(enforced.memory.by).toBe("cgroup1");
    expect(enforced.io).toEqual({ by: "cgroup2", why: expect.stringContaining("buffered") });
  });

  test("a controller that nobody has is held by none, with the reason found when it was looked for", () => {
    const why = "cannot switch cpu on in /c/cgroup.subtree_control: EBUSY, for it holds processes itself";
    const facts: CgroupFacts = { ...v2, holders: { ...v2.holders, cpu: { by: "none", why } } };
    const plan = planLimits(facts, DEFAULT_LIMITS);
    expect(plan.enforced.cpus).toEqual({ by: "none", why });
    expect(plan.writes.some((write) => write.limit === "cpus")).toBe(false);
  });

  test("without swap accounting swap is not held, and the reason says whether that matters now", () => {
    const swap = (hostSwap: boolean) =>
      planLimits({ ...v1, swapAccounting: false, hostSwap }, DEFAULT_LIMITS).enforced.swap;
    expect(swap(true)).toEqual({ by: "none", why: expect.stringMatching(/swapaccount=1\)$/) });
    expect(swap(false)).toEqual({ by: "none", why: expect.stringContaining("has no swap now") });
  });

  test("a host without disks holds no io", () => {
    expect(planLimits({ ...v2, devices: [] }, DEFAULT_LIMITS).enforced.io.by).toBe("none");
  });

  test("the smallest share of a CPU is what the kernel takes at least", () => {
    const { writes } = planLimits(v2, { ...DEFAULT_LIMITS, cpus: 0.001 });
    expect(writes[0]?.value).toBe("1000 1000000");
  });
});

describe("settle", () => {
  const plan = planLimits({ ...v2, devices: [vda, sdb] }, DEFAULT_LIMITS);
  const refuse = (errno: string, of: (write: (typeof plan.writes)[number]) => boolean) =>
    settle(
      plan,
      plan.writes.filter(of).map((write) => ({ write, errno })),
    );

  test("without a refusal, what was planned", () => {
    expect(settle(plan, [])).toBe(plan.enforced);
  });

  test("a refused write makes its limit one that is not held, and no other", () => {
    const enforced = refuse("EINVAL", ({ file }) => file === "cpu.max");
    expect(enforced.cpus).toEqual({ by: "none", why: "cpu.max: EINVAL" });
    expect(enforced.memory).toEqual({ by: "cgroup2" });
  });

  test("a missing file says that the kernel has none", () => {
    expect(refuse("ENOENT", ({ file }) => file === "memory.high").memoryHigh.why).toBe(
      "memory.high: this kernel has no such file",
    );
  });

  test("killing the whole group at once is welcome, not needed", () => {
    expect(refuse("EPERM", ({ file }) => file === "memory.oom.group").memory).toEqual({ by: "cgroup2" });
  });

  test("one disk refused is said, all refused is none, one unplugged is nothing", () => {
    expect(refuse("EINVAL", ({ device }) => device === "sdb").io).toEqual({
      by: "cgroup2",
      why: "io.max for sdb: EINVAL",
    });
    expect(refuse("EPERM", ({ limit }) => limit === "io").io.by).toBe("none");
    expect(refuse("ENODEV", ({ device }) => device === "sdb").io).toEqual({ by: "cgroup2" });
  });
});
