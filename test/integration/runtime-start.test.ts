// Births: ids, events, and starts that fail at a step that is named.
import { expect } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TeleError } from "#errors";
import { jobCgroups, tethersOf } from "#test/support/leaks.ts";
import { idOf, refusal, supervised } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";
import type { JobEvent } from "#spec/job.ts";

/** A folder that the sandbox sees too: /tmp is its own. */
async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync("/var/tmp/tele-test-");
  chmodSync(folder, 0o755);
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

supervised("a program that is not there, not executable or no program is START_FAILED with the step", async (bench) => {
  await withFolder(async (folder) => {
    const file = (name: string, text: string, mode: number): string => {
      const path = join(folder, name);
      writeFileSync(path, text, { mode });
      return path;
    };
    const cases: [string, string[], { errno: string; exitCode: number; hint: RegExp }][] = [
      ["missing", ["/nowhere/at-all"], { errno: "ENOENT", exitCode: 127, hint: /there is no \/nowhere\/at-all/ }],
      ["missing-in-path", ["tele-no-such"], { errno: "ENOENT", exitCode: 127, hint: /there is no tele-no-such/ }],
      ["through-a-file", ["/etc/passwd/x"], { errno: "ENOTDIR", exitCode: 127, hint: /there is no/ }],
      [
        "no-interpreter",
        [file("script", "#!/nowhere/sh\n", 0o755)],
        { errno: "ENOENT", exitCode: 127, hint: /interpreter/ },
      ],
      ["plain-file", ["/etc/passwd"], { errno: "EACCES", exitCode: 126, hint: /may not be executed/ }],
      ["directory", ["/usr"], { errno: "EACCES", exitCode: 126, hint: /may not be executed/ }],
      ["no-program", [file("text", "hello\n", 0o755)], { errno: "ENOEXEC", exitCode: 126, hint: /#!/ }],
    ];
    for (const [id, command, { errno, exitCode, hint }] of cases) {
      const error = await refusal(bench.start({ command }, id));
      expect([id, error.code, error.fields.step, error.fields.errno]).toEqual([
        id,
        "START_FAILED",
        "workload.exec",
        errno,
      ]);
      expect(error.fields).toMatchObject({ resource: `jobs/${id}`, hint: expect.stringMatching(hint) });
      const job = bench.supervisor.get(id);
      expect(job).toMatchObject({
        state: "FAILED",
        phase: "CLOSED",
        reason: "START_FAILED",
        end: { reason: "START_FAILED", step: "workload.exec", errno, exitCode },
      });
      expect(job?.end?.message).toContain(errno);
      expect(bench.text(id)).toBe("");
    }
  });
  await bench.supervisor.remove("missing");
  expect(bench.supervisor.get("missing")).toBeUndefined();
  expect((await refusal(bench.supervisor.remove("missing"))).code).toBe("NOT_FOUND");
});

supervised("a program along PATH that may not be executed is 126, however many others are missing", async (bench) => {
  await withFolder(async (folder) => {
    writeFileSync(join(folder, "tool"), "#!/bin/sh\n", { mode: 0o644 });
    const env = { PATH: `/nowhere:${folder}:/also/nowhere` };
    const error = await refusal(bench.start({ command: ["tool"], env }, "locked"));
    expect(error.fields.errno).toBe("EACCES");
    expect(bench.supervisor.get("locked")?.end?.exitCode).toBe(126);
  });
});

supervised("a working directory that is not there is tele's failure, 125, with the way out", async (bench) => {
  const error = await refusal(bench.start({ workdir: "/nowhere" }, "lost-way"));
  expect([error.code, error.fields.step, error.fields.errno]).toEqual(["START_FAILED", "workdir.enter", "ENOENT"]);
  expect(error.fields.hint).toContain("/nowhere must exist");
  expect(error.message).toBe('workdir.enter: chdir("/nowhere"): ENOENT');
  expect(bench.supervisor.get("lost-way")).toMatchObject({ reason: "START_FAILED", end: { exitCode: 125 } });
});

supervised("a failed start waits for nothing but its tether, and leaves nothing running", async (bench) => {
  const timed = async (start: () => Promise<unknown>): Promise<number> => {
    const begun = performance.now();
    for (let round = 0; round < 20; round++) await start();
    return performance.now() - begun;
  };
  const good = await timed(() => bench.start({ command: ["/bin/true"] }));
  // A tether that was told to leave too early would be killed after a second each. Both are slow on an emulated machine.
  expect(await timed(() => refusal(bench.start({ command: ["/nowhere"] })))).toBeLessThan(good * 2 + 8_000);
  await until(
    "their tethers and cgroups are gone",
    () => [...tethersOf(bench.stateDirectory), ...jobCgroups(bench.cgroupName)].length === 0,
  );
});

supervised(
  "a tether that dies before the program runs is a failed start, or a killed job, and never both",
  async (bench) => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 25; round++) {
      const id = `early-${round}`;
      let over = false;
      const started = bench
        .start({ command: ["/bin/sleep", "1000"] }, id)
        .catch((error: unknown) => error)
        .finally(() => (over = true));
      // Found while it makes its mounts (there are many), or just after.
      for (let look = 0; look < 10_000; look++) {
        const pids = tethersOf(bench.stateDirectory);
        for (const pid of pids) process.kill(pid, "SIGKILL");
        if (pids.length > 0 || over) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      const answer = await started;
      const job = await bench.ended(id);
      if (answer instanceof TeleError) {
        expect([answer.code, answer.fields.step]).toEqual(["START_FAILED", "tether.start"]);
        expect(job).toMatchObject({ reason: "START_FAILED", end: { exitCode: 125 } });
      } else expect(job).toMatchObject({ reason: "SIGNALED", end: { signal: "SIGKILL" } });
      outcomes.add(job.reason);
    }
    expect(outcomes).toContain("START_FAILED");
    const before = [...bench.supervisor.list({})];
    await bench.reopen();
    expect([...bench.supervisor.list({})]).toEqual(before);
  },
  { hide: Array.from({ length: 400 }, () => "/srv") },
);

supervised("a name can be taken once, also by many at the same time", async (bench) => {
  const answers = await Promise.allSettled(Array.from({ length: 8 }, () => bench.sh("sleep 1000", {}, "mine")));
  expect(answers.filter(({ status }) => status === "fulfilled").length).toBe(1);
  for (const answer of answers) {
    if (answer.status === "fulfilled") continue;
    expect(answer.reason).toMatchObject({ code: "ALREADY_EXISTS", fields: { resource: "jobs/mine" } });
  }
  expect((await refusal(bench.supervisor.remove("mine"))).code).toBe("FAILED_PRECONDITION");
  await bench.supervisor.stop("mine", { by: "x", graceMs: 0 });
  await bench.ended("mine");
  // Ended is not forgotten.
  expect((await refusal(bench.sh("true", {}, "mine"))).code).toBe("ALREADY_EXISTS");
});

supervised("a name is free again as soon as its job is forgotten", async (bench) => {
  for (let round = 0; round < 30; round++) {
    const job = await bench.sh(`echo ${round}`, {}, "again");
    expect((await bench.ended(job)).end?.exitCode).toBe(0);
    expect(bench.text(job)).toBe(`${round}\n`);
    await bench.supervisor.remove("again");
    expect(bench.supervisor.output("again")).toBeUndefined();
    expect(existsSync(join(bench.stateDirectory, "jobs", "again"))).toBe(false);
  }
});

supervised("ids are UUIDs of version 7 unless one is asked for, and names that are none are refused", async (bench) => {
  const job = await bench.start({});
  expect(idOf(job)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(job).toMatchObject({ owner: "tester", labels: {} });
  await bench.ended(job);
  for (const id of ["..", "a/b", "", "A", "x".repeat(64)])
    expect((await refusal(bench.start({}, id))).code).toBe("INVALID_ARGUMENT");
});

supervised("events come in the order of what happened, counted without a gap", async (bench) => {
  const events: JobEvent[] = [];
  const stop = bench.supervisor.subscribe((event) => events.push(event));
  await bench.sh("sleep 1000", { labels: { app: "x" } }, "first");
  await bench.supervisor.stop("first", { by: "alice", graceMs: 0 });
  await bench.ended("first");
  await bench.supervisor.remove("first");
  await refusal(bench.start({ command: ["/nowhere"] }, "second"));
  stop();
  await bench.ended(await bench.start({}, "third"));
  expect(events.map(({ type, job }) => `${type} ${job.name} ${job.reason}`)).toEqual([
    "job.started jobs/first RUNNING",
    "job.stopping jobs/first STOPPING",
    "job.ended jobs/first STOPPED",
    "job.deleted jobs/first STOPPED",
    "job.ended jobs/second START_FAILED",
  ]);
  const first = events[0]?.sequence ?? 0;
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => first + index));
});

supervised("a megabyte of arguments and environment arrives whole", async (bench) => {
  const words = Array.from({ length: 100 }, (_, index) => String(index % 10).repeat(9_000));
  const { length } = words.join("");
  const job = await bench.start({
    command: ["/bin/sh", "-c", 'echo $# ${#LONG}; IFS=; all="$*"; echo ${#all}', "sh", ...words],
    env: { LONG: "y".repeat(100_000) },
  });
  expect((await bench.ended(job)).end?.exitCode).toBe(0);
  expect(bench.text(job)).toBe(`100 100000\n${length}\n`);
});

supervised(
  "an unknown user, a limit above the ceiling: refused before anything is made",
  async (bench) => {
    const unknown = await refusal(bench.start({ user: "nobody-like-this" }, "who"));
    expect(unknown).toMatchObject({ code: "INVALID_ARGUMENT", fields: { faults: [{ pointer: "/user" }] } });
    const greedy = await refusal(bench.start({ limits: { memory: "4Gi" } }, "who"));
    expect(greedy.code).toBe("INVALID_ARGUMENT");
    expect(bench.supervisor.get("who")).toBeUndefined();
    expect(jobCgroups(bench.cgroupName)).toEqual([]);
    expect(existsSync(join(bench.stateDirectory, "jobs", "who"))).toBe(false);
  },
  { ceiling: { memory: 2 ** 31 } },
);
