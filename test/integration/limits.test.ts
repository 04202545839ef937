// Limits by their effect, as a whole job feels them; those of disks are in limits-disk.test.ts.
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { jobParents } from "#host/cgroup/facts.ts";
import { tethersOf } from "#test/support/leaks.ts";
import { need } from "#test/support/needs.ts";
import { idOf, refusal, supervised, waitForText } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";

const MiB = 2 ** 20;

supervised("a busy loop gets a tenth of one CPU", async (bench) => {
  const job = await bench.sh("while :; do :; done", { limits: { cpus: 0.1 } }, "busy");
  // From one used-up period to another: what came before the first does not blur the share.
  const edge = (least: number): Promise<{ at: number; cpuUs: number }> =>
    until(`${least} us of CPU time`, () => {
      const { cpuUs = 0 } = bench.supervisor.get("busy")?.usage ?? {};
      return cpuUs >= least && { at: performance.now(), cpuUs };
    });
  const from = await edge(95_000);
  const to = await edge(495_000);
  const share = (to.cpuUs - from.cpuUs) / 1_000 / (to.at - from.at);
  expect(share).toBeGreaterThan(0.07);
  expect(share).toBeLessThan(0.13);
  await bench.supervisor.stop(idOf(job), { by: "test", graceMs: 0 });
  const { end } = await bench.ended(job);
  expect(end?.usage.throttledUs).toBeGreaterThan(1_000_000);
  expect(end?.usage.cpuUs).toBeGreaterThanOrEqual(to.cpuUs);
});

supervised("six hundred megabytes are too many: OOM_KILLED, whoever of the job was killed", async (bench) => {
  const allocate = "dd if=/dev/zero of=/dev/null bs=600M count=1";
  const alone = await bench.ended(await bench.sh(`exec ${allocate}`));
  expect(alone).toMatchObject({ state: "FAILED", reason: "OOM_KILLED", end: { signal: "SIGKILL" } });
  expect(alone.end?.usage.oomKills).toBeGreaterThanOrEqual(1);
  expect(alone.end?.usage.memoryPeakBytes).toBeGreaterThan(400 * MiB);
  expect(alone.end?.usage.memoryPeakBytes).toBeLessThanOrEqual(512 * MiB);
  // A shell passes its child's 137 on; where the kernel takes the whole cgroup it dies with it.
  const child = await bench.ended(await bench.sh(`${allocate}; exit $?`));
  expect(child).toMatchObject({ state: "FAILED", reason: "OOM_KILLED" });
  // Nothing of it meets the next one.
  expect((await bench.run("exit 0")).job).toMatchObject({ reason: "EXITED", end: { usage: { oomKills: 0 } } });
});

supervised("a fork bomb stops at the limit of processes, and can be stopped", async (bench) => {
  need("perl");
  const job = await bench.start(
    { command: ["/usr/bin/perl", "-e", "fork while 1"], limits: { pids: 64, cpus: 0.5 } },
    "bomb",
  );
  const pids = (): number => bench.supervisor.get("bomb")?.usage.pids ?? 0;
  await until("it is full", () => pids() === 64);
  const begun = performance.now();
  await until("it has stayed full for a while", () => {
    expect(pids()).toBeLessThanOrEqual(64);
    return performance.now() - begun > 300;
  });
  expect(bench.supervisor.get("bomb")?.phase).toBe("OPEN");
  await bench.supervisor.stop("bomb", { by: "alice", graceMs: 0 });
  expect(await bench.ended(job)).toMatchObject({ state: "STOPPED", end: { signal: "SIGKILL", stoppedBy: "alice" } });
});

supervised(
  "what is required and cannot be held is refused, each of it with why; what can be held runs",
  async (bench) => {
    const { enforced } = await bench.ended(await bench.start({}));
    const names = ["cpus", "memory", "memoryHigh", "swap", "pids", "io", "nofile", "output"] as const;
    const held = names.filter((name) => enforced[name].by !== "none");
    const lacking = names.filter((name) => enforced[name].by === "none");
    expect((await bench.ended(await bench.start({ require: held }))).end?.exitCode).toBe(0);
    // No time limit was asked for, so none can be held, on any host.
    const error = await refusal(bench.start({ require: ["timeout", ...lacking] }, "refused"));
    expect(error.code).toBe("LIMIT_NOT_ENFORCEABLE");
    expect(error.fields.faults?.map(({ pointer }) => pointer).sort()).toEqual(
      ["timeout", ...lacking].map((_, index) => `/require/${index}`),
    );
    for (const { detail } of error.fields.faults ?? []) expect(detail).toMatch(/cannot be held: \w+/);
    expect(error.fields.hint).toBeDefined();
    expect(bench.supervisor.get("refused")).toBeUndefined();
    expect((await bench.ended(await bench.start({ require: ["timeout"], timeout: "1m" }))).reason).toBe("EXITED");
  },
);

supervised("open files end at the limit", async (bench) => {
  need("perl");
  const open = "for (1..100) { open($f[$_], '<', '/dev/null') or do { print $_ + 2, qq( $!\\n); exit } }";
  const job = await bench.ended(
    await bench.start({ command: ["/usr/bin/perl", "-e", open], env: { LC_ALL: "C" }, limits: { nofile: 40 } }),
  );
  expect(bench.text(job)).toBe("40 Too many open files\n");
});

supervised("a job of one process needs no room for anybody else", async (bench) => {
  expect((await bench.ended(await bench.start({ limits: { pids: 1 } }))).end?.exitCode).toBe(0);
  const { text, job } = await bench.run("(exit 0); echo not reached", { limits: { pids: 1 } });
  expect(job.end?.exitCode).toBeGreaterThan(0);
  expect(text).toMatch(/fork/i);
});

supervised("it is in its cgroups from its first instruction on, and its tether never is", async (bench) => {
  // Its namespace's root is the cgroup it was in at execve: joined any later, or any other, would show as a path.
  const own = await bench.ended(await bench.start({ command: ["/bin/cat", "/proc/self/cgroup"] }));
  const lines = bench.text(own).trim().split("\n");
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) expect(line).toMatch(/^\d+:[^:]*:\/$/);

  const job = await bench.start({ command: ["/bin/sleep", "1000"] }, "held");
  const paths = (pid: number | undefined): string[] =>
    readFileSync(`/proc/${pid}/cgroup`, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.replace(/^\d+:[^:]*:/, ""));
  const inside = paths(job.pid).filter((path) => path.endsWith("/held"));
  expect(inside.length).toBe(jobParents(bench.supervisor.ground.cgroups.facts).length);
  for (const path of inside) expect(path).toContain(`/${bench.cgroupName}/`);
  const [tether] = tethersOf(bench.stateDirectory);
  expect(paths(tether).filter((path) => path.split("/").includes("held"))).toEqual([]);
});

supervised("a job that burns all it gets cannot keep its tether from reacting", async (bench) => {
  const spin = "while :; do :; done";
  const job = await bench.sh(`trap '' TERM; for i in 1 2 3 4 5 6 7 8; do (${spin}) & done; echo ready; ${spin}`, {
    limits: { cpus: 0.02 },
  });
  await waitForText(bench, job, "ready\n");
  await until("it is throttled", () => (bench.supervisor.get(idOf(job))?.usage.throttledUs ?? 0) > 500_000);
  const begun = performance.now();
  await bench.supervisor.stop(idOf(job), { by: "test", graceMs: 100 });
  expect(await bench.ended(job)).toMatchObject({ state: "STOPPED", end: { signal: "SIGKILL" } });
  expect(performance.now() - begun).toBeLessThan(15_000);
});
