// What a job's filter denies, told at its end: how often, with the error that the filter means, whatever the job does.
import { expect } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobSpecInput } from "#spec/schema.ts";
import { need } from "#test/support/needs.ts";
import { projectRoot } from "#test/support/sources.ts";
import { type Bench, idOf, refusal, supervised, waitForText } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";

/** A spec's part that puts `/tmp/denied/denied` into the sandbox. */
type Put = Pick<JobSpecInput, "mounts">;

/** A test with the C program at hand, which is gone afterwards. */
function denying(what: string, body: (bench: Bench, put: Put) => Promise<void>): void {
  supervised(what, async (bench) => {
    need("gcc");
    const folder = mkdtempSync(join(tmpdir(), "tele-denied-"));
    try {
      const flags = ["-O1", "-Wall", "-Werror", "-D_GNU_SOURCE", "-pthread"];
      execFileSync("gcc", [...flags, "-o", join(folder, "denied"), join(projectRoot, "test/support/denied.c")]);
      chmodSync(folder, 0o755);
      await body(bench, { mounts: [{ type: "bind", source: folder, target: "/tmp/denied", readOnly: true }] });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

const denied = (...args: (string | number)[]): string => ["/tmp/denied/denied", ...args].join(" ");
const report = { security: { reportDenied: true } };

/** How many listeners of filters this process holds. */
function listeners(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes("seccomp");
    } catch {
      return false;
    }
  }).length;
}

denying("each denied call is counted and gets the very error that it gets unreported", async (bench, put) => {
  const plain = await bench.run(denied("errnos"), put);
  const told = await bench.run(denied("errnos"), { ...put, ...report });
  expect(told.text).toBe(plain.text);
  expect(told.text.split("\n")).toEqual([
    "mount -1 EPERM",
    "unshare -1 EPERM",
    "keyctl -1 EPERM",
    "keyctl -1 EPERM",
    "bpf -1 EPERM",
    "nothing -1 ENOSYS",
    "nothing -1 ENOSYS",
    "nothing -1 ENOSYS",
    "getpid 0 -",
    "",
  ]);
  expect(plain.job.end?.deniedCalls).toBeUndefined();
  expect(told.job.end).toMatchObject({ reason: "EXITED", exitCode: 0 });
  expect(told.job.end?.deniedCalls).toEqual([
    { call: "keyctl", count: 2 },
    { call: "1000", count: 1 },
    { call: "1023", count: 1 },
    { call: "bpf", count: 1 },
    { call: "mount", count: 1 },
    { call: "others", count: 1 },
    { call: "unshare", count: 1 },
  ]);
  // From the store, as the next daemon shows it.
  await bench.reopen();
  expect(bench.supervisor.get(idOf(told.job))?.end?.deniedCalls).toHaveLength(7);
});

supervised(
  "a job that is denied nothing says so, and clone3, which libraries expect to fail, is nothing",
  async (bench) => {
    const { job, text } = await bench.run("(echo one; echo two) | sort", report);
    expect(text).toBe("one\ntwo\n");
    expect(job.end?.deniedCalls).toEqual([]);
  },
);

supervised(
  "a filter that was given answers its own errors, by arguments too, and is reported by them",
  async (bench) => {
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW" as const,
      syscalls: [
        { names: ["uname"], action: "SCMP_ACT_ERRNO" as const, errnoRet: 42 },
        {
          names: ["personality"],
          action: "SCMP_ACT_ERRNO" as const,
          errnoRet: 43,
          args: [{ index: 0, value: 7, op: "SCMP_CMP_EQ" as const }],
        },
      ],
    };
    const script = `perl -e 'for (63, 135) { $! = 0; my $got = syscall($_, 7); my $errno = $! + 0; print "$got $errno\\n" }
    print syscall(135, 0xffffffff)'`;
    const { job, text } = await bench.run(script, { security: { seccomp, reportDenied: true } });
    expect(text.split("\n")).toEqual(["-1 42", "-1 43", "0"]);
    expect(job.end?.deniedCalls).toEqual([
      { call: "personality", count: 1 },
      { call: "uname", count: 1 },
    ]);
  },
);

denying(
  "a hundred thousand denied calls of many threads are all counted, and another job's output goes on",
  async (bench, put) => {
    const flood = await bench.sh(denied("flood", 6250, 16), { ...put, ...report });
    // Each line is answered by the pump while the flood lasts.
    const other = await bench.sh("trap 'echo tick' USR1; trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    await waitForText(bench, other, "ready\n");
    let ticks = 0;
    while (bench.supervisor.get(idOf(flood))?.state === "RUNNING" && ticks < 10_000) {
      const asked = performance.now();
      await bench.supervisor.signal(idOf(other), "SIGUSR1");
      ticks += 1;
      await until("a tick is there", () => bench.text(other).split("tick").length > ticks, 5000);
      expect(performance.now() - asked).toBeLessThan(2000);
    }
    expect(ticks).toBeGreaterThan(3);
    await bench.supervisor.signal(idOf(other), "SIGTERM");
    await bench.ended(other);
    const { end } = await bench.ended(flood);
    expect(bench.text(flood)).toBe("done 100000\n");
    expect(end?.deniedCalls).toEqual([{ call: "mount", count: 100_000 }]);
  },
);

denying(
  "a flood that is killed, and one whose tether is killed, leave no listener, and their counts are told",
  async (bench, put) => {
    const before = listeners();
    for (const how of ["stop", "tether"] as const) {
      const job = await bench.sh(`echo go; exec ${denied("flood", 10_000_000, 8)}`, { ...put, ...report });
      await waitForText(bench, job, "go\n");
      await until("its listener is here", () => listeners() === before + 1);
      if (how === "stop") await bench.supervisor.stop(idOf(job), { by: "test", graceMs: 0 });
      else {
        const parent = execFileSync("ps", ["-o", "ppid=", "-p", String(bench.supervisor.get(idOf(job))?.pid)], {
          encoding: "utf8",
        });
        process.kill(Number(parent), "SIGKILL");
      }
      const { end } = await bench.ended(job);
      expect(end?.reason).toBe(how === "stop" ? "STOPPED" : "SIGNALED");
      // Either may come before the first call.
      for (const { call } of end?.deniedCalls ?? []) expect(call).toBe("mount");
      expect(end?.deniedCalls).toBeDefined();
      expect(listeners()).toBe(before);
    }
  },
);

denying(
  "each of many processes is answered, and a call that signals interrupt is denied all the same",
  async (bench, put) => {
    const forks = await bench.run(denied("forks", 200), { ...put, ...report });
    expect(forks.text).toBe("done 0\n");
    expect(forks.job.end?.deniedCalls).toEqual([{ call: "keyctl", count: 200 }]);
    const hang = await bench.run(denied("hang", 2), { ...put, ...report });
    const [good, bad] = hang.text.trim().split(" ").map(Number);
    expect(bad).toBe(0);
    // The answer may come together with a signal: then the kernel starts the call over (SA_RESTART).
    const count = hang.job.end?.deniedCalls?.[0]?.count ?? 0;
    expect(count).toBeGreaterThanOrEqual(good as number);
    expect(count).toBeLessThan((good as number) + 2100);
  },
);

denying("numbers that nobody has do not fill the record or the memory", async (bench, put) => {
  const { job } = await bench.run(denied("numbers", 20_000), { ...put, ...report });
  const calls = job.end?.deniedCalls ?? [];
  expect(calls).toHaveLength(64);
  expect(calls[0]).toEqual({ call: "others", count: 20_000 - 424 });
  expect(calls[1]).toEqual({ call: "1000", count: 1 });
});

denying(
  "a job that outlives its daemon keeps its filter; the next one, which cannot know, tells no counts",
  async (bench, put) => {
    const job = await bench.sh(
      `${denied("errnos")} >/dev/null; trap 'over=1' USR1; echo first
     while [ -z "$over" ]; do sleep 0.01; done; ${denied("errnos")}`,
      { ...put, ...report },
    );
    await waitForText(bench, job, "first\n");
    await bench.reopen();
    await bench.supervisor.signal(idOf(job), "SIGUSR1");
    const { end } = await bench.ended(job);
    // The kernel denies them itself once nobody listens, and has no other error for that (seccomp_unotify(2)).
    expect(bench.text(job).split("\n").slice(1)).toEqual([
      ...["mount", "unshare", "keyctl", "keyctl", "bpf", "nothing", "nothing", "nothing"].map(
        (name) => `${name} -1 ENOSYS`,
      ),
      "getpid 0 -",
      "",
    ]);
    expect(end).toMatchObject({ reason: "EXITED", exitCode: 0 });
    expect(end?.deniedCalls).toBeUndefined();
  },
);

denying("a program that is not there fails its start as ever, and nothing is left", async (bench, put) => {
  const before = listeners();
  for (const command of [["/nowhere"], ["nowhere"]])
    expect(await refusal(bench.start({ command, ...put, ...report }))).toMatchObject({
      code: "START_FAILED",
      fields: { errno: "ENOENT" },
    });
  expect(listeners()).toBe(before);
});
