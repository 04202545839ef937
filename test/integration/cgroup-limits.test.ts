import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { CgroupLimits } from "#host/cgroup/facts.ts";
import { type CgroupHost, openCgroupHost } from "#host/cgroup/host.ts";
import type { JobCgroup } from "#host/cgroup/job.ts";
import { DEFAULT_LIMITS } from "#spec/limits.ts";
import { need } from "#test/support/needs.ts";
import { finish, startInside, until } from "./cgroup-job.ts";

need("root", "cgroup");

const MiB = 2 ** 20;
const PATIENCE = 120_000; // an emulated machine is 15 to 60 times slower

let host: CgroupHost;
beforeAll(async () => {
  host = await openCgroupHost({ name: `tele-limits-${process.pid}` });
});
afterAll(async () => {
  expect(await host.list()).toEqual([]);
  await host.close();
});

/** A test in a job of its own, which is gone after it whatever happens. */
function limitTest(what: string, limits: Partial<CgroupLimits>, body: (job: JobCgroup) => Promise<void>): void {
  test(
    what,
    async () => {
      const job = await host.create("limited", { ...DEFAULT_LIMITS, cpus: 1, ...limits });
      try {
        await body(job);
      } finally {
        await finish(job);
      }
    },
    PATIENCE,
  );
}

limitTest("a busy loop gets a tenth of one CPU", { cpus: 0.1 }, async (job) => {
  startInside(job, "while :; do :; done");
  // From one exhausted period to another: what came before the first does not blur the share.
  const edge = (least: number) =>
    until(`${least} us of CPU time`, 60, () => {
      const { cpuUs = 0 } = job.usage();
      return cpuUs >= least && { at: performance.now(), cpuUs };
    });
  const from = await edge(95_000);
  const to = await edge(995_000);
  const share = (to.cpuUs - from.cpuUs) / 1000 / (to.at - from.at);
  expect(share).toBeGreaterThan(0.07);
  expect(share).toBeLessThan(0.13);
  const usage = job.usage();
  expect(usage.throttledUs).toBeGreaterThan(1_000_000);
  expect((usage.userUs ?? 0) + (usage.systemUs ?? 0)).toBeGreaterThan(0);
});

limitTest(
  "memory beyond the limit ends in SIGKILL, and the cgroup says that it was for want of memory",
  { memory: 32 * MiB, memoryHigh: 32 * MiB },
  async (job) => {
    expect(job.oomKilled()).toBe(false);
    const { ended } = startInside(job, "exec dd if=/dev/zero of=/dev/null bs=256M count=1");
    expect((await ended).signal).toBe("SIGKILL");
    expect(job.oomKilled()).toBe(true);
    const usage = job.usage();
    expect(usage.oomKills).toBeGreaterThanOrEqual(1);
    expect(usage.memoryPeakBytes).toBeGreaterThan(24 * MiB);
    expect(usage.memoryPeakBytes).toBeLessThanOrEqual(32 * MiB);
  },
);

limitTest("a fork bomb stops at the limit of processes", { pids: 16 }, async (job) => {
  const { ended } = startInside(job, "while :; do sleep 1000 >/dev/null 2>&1 & done");
  const end = await ended;
  expect(end.stderr).toMatch(/fork/i);
  expect(end.code).toBeGreaterThan(0);
  expect(job.procs().length).toBe(15); // the shell was the sixteenth
  expect(job.usage().pids).toBe(15);
  expect(job.oomKilled()).toBe(false);
});

limitTest(
  "direct writes to a disk keep to a lowered rate",
  { io: { ...DEFAULT_LIMITS.io, wbps: 4 * MiB } },
  async (job) => {
    const folder = mkdtempSync("/var/tmp/tele-io-");
    try {
      // In an emulated machine files are in memory: there a whole disk is scratch.
      const target = process.env["TELE_SCRATCH_DISK"] ?? join(folder, "file");
      const { ended } = startInside(job, `LC_ALL=C exec dd if=/dev/zero of=${target} bs=256k count=64 oflag=direct`);
      const { code, stderr } = await ended;
      expect(code).toBe(0);
      const seconds = Number(/copied, ([\d.]+) s/.exec(stderr)?.[1]);
      const share = 16 / seconds / 4;
      expect(share).toBeGreaterThan(0.85);
      expect(share).toBeLessThan(1.15);
      expect(job.usage().ioWriteBytes).toBeGreaterThanOrEqual(16 * MiB);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

limitTest("usage shows what is in memory now and how many run", {}, async (job) => {
  expect(job.usage()).toMatchObject({ cpuUs: 0, memoryBytes: 0, oomKills: 0, pids: 0, ioWriteBytes: 0 });
  startInside(job, "exec dd if=/dev/zero of=/dev/null bs=16M");
  await until("16 MiB are in use", 60, () => (job.usage().memoryBytes ?? 0) > 16 * MiB);
  expect(job.usage().pids).toBe(1);
  expect(job.usage().memoryPeakBytes).toBeGreaterThan(16 * MiB);
});
