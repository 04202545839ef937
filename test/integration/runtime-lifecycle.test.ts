// How jobs end, and that what is said of it is true.
import { expect } from "bun:test";
import { refusal, supervised, waitForText } from "#test/support/supervisor.ts";

/** Says that it is there, and lives on whatever TERM says. */
const STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done";

supervised("a job that exits is COMPLETED or FAILED by its status", async ({ run }) => {
  const { job, text } = await run("echo hello; exit 0");
  expect([job.state, job.phase, job.reason, text]).toEqual(["COMPLETED", "CLOSED", "EXITED", "hello\n"]);
  expect(job.end).toMatchObject({ reason: "EXITED", exitCode: 0 });
  expect(job.end?.usage.outputBytes).toBe(6);
  expect(Date.parse(job.endTime ?? "")).toBeGreaterThanOrEqual(Date.parse(job.startTime ?? ""));
  const failed = await run("exit 7");
  expect(failed.job).toMatchObject({ state: "FAILED", reason: "EXITED", end: { exitCode: 7 } });
  expect(failed.job.end?.signal).toBeUndefined();
});

supervised("a job that dies of a signal is SIGNALED, and says whether it left a core", async ({ run }) => {
  const killed = await run("ulimit -c 0; kill -SEGV $$");
  expect(killed.job).toMatchObject({ state: "FAILED", reason: "SIGNALED", end: { signal: "SIGSEGV" } });
  expect(killed.job.end?.exitCode).toBeUndefined();
  expect(killed.job.end?.coreDumped).toBeUndefined();
  const dumped = await run("cd /tmp && ulimit -c unlimited && kill -ABRT $$");
  expect(dumped.job.end).toMatchObject({ reason: "SIGNALED", signal: "SIGABRT", coreDumped: true });
});

supervised("a job that catches TERM ends in its own way and is STOPPED with its status", async (bench) => {
  const job = await bench.sh("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.02; done");
  await waitForText(bench, job, "ready\n");
  const stopping = await bench.supervisor.stop(job.name.slice(5), { by: "alice" });
  expect(stopping).toMatchObject({ state: "RUNNING", phase: "OPEN", reason: "STOPPING" });
  const ended = await bench.ended(job);
  expect(ended).toMatchObject({ state: "STOPPED", reason: "STOPPED", end: { exitCode: 3, stoppedBy: "alice" } });
  expect(bench.text(job)).toBe("ready\nbye\n");
});

supervised("a job that ignores TERM is killed when its grace is over", async (bench) => {
  const job = await bench.sh(STUBBORN, {}, "stubborn");
  await waitForText(bench, job, "ready\n");
  const begun = performance.now();
  await bench.supervisor.stop("stubborn", { by: "alice", graceMs: 300 });
  const ended = await bench.ended(job);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(295);
  expect(ended).toMatchObject({ state: "STOPPED", end: { reason: "STOPPED", signal: "SIGKILL", stoppedBy: "alice" } });
});

supervised("stopping twice changes nothing but a grace that gets shorter", async (bench) => {
  const { supervisor } = bench;
  const [hurried, patient] = [await bench.sh(STUBBORN, {}, "hurried"), await bench.sh(STUBBORN, {}, "patient")];
  for (const job of [hurried, patient]) await waitForText(bench, job, "ready\n");
  await supervisor.stop("hurried", { by: "alice", graceMs: 3_600_000 });
  expect((await supervisor.stop("hurried", { by: "bob", graceMs: 50 })).reason).toBe("STOPPING");
  expect((await bench.ended("hurried")).end).toMatchObject({ signal: "SIGKILL", stoppedBy: "alice" });
  // A client that asks again and again must not keep the job alive by it.
  await supervisor.stop("patient", { by: "alice", graceMs: 200 });
  await supervisor.stop("patient", { by: "alice", graceMs: 3_600_000 });
  const ended = await bench.ended("patient");
  expect(await supervisor.stop("patient", { by: "carol" })).toEqual(ended);
  expect(supervisor.get("patient")).toEqual(ended);
});

supervised("a stop begins with the signal that was asked for", async (bench) => {
  const job = await bench.sh("trap 'exit 9' USR1; echo ready; while :; do sleep 0.02; done", {}, "usr1");
  await waitForText(bench, job, "ready\n");
  await bench.supervisor.stop("usr1", { by: "alice", signal: "SIGUSR1", graceMs: 60_000 });
  expect(await bench.ended(job)).toMatchObject({ state: "STOPPED", end: { exitCode: 9 } });
});

supervised("signals reach the main process, and faults in asking for one are told", async (bench) => {
  const { supervisor } = bench;
  const job = await bench.sh("trap 'echo usr2; exit 0' USR2; echo ready; while :; do sleep 0.02; done", {}, "told");
  await waitForText(bench, job, "ready\n");
  expect(await refusal(supervisor.signal("told", "SIGNOTHING"))).toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await refusal(supervisor.signal("nobody", "SIGTERM"))).toMatchObject({ code: "NOT_FOUND" });
  await supervisor.signal("told", "SIGUSR2");
  expect(await bench.ended(job)).toMatchObject({ state: "COMPLETED", reason: "EXITED" });
  expect(bench.text(job)).toBe("ready\nusr2\n");
  expect(await refusal(supervisor.signal("told", "SIGTERM"))).toMatchObject({
    code: "FAILED_PRECONDITION",
    fields: { resource: "jobs/told" },
  });
  for (const gone of [
    supervisor.stop("nobody", { by: "x" }),
    supervisor.wait("nobody", AbortSignal.abort()),
    supervisor.remove("nobody"),
  ])
    expect(await refusal(gone)).toMatchObject({ code: "NOT_FOUND" });
});

supervised("a KILL sent to the main process is SIGNALED, not STOPPED", async (bench) => {
  const job = await bench.sh(STUBBORN, {}, "killed");
  await waitForText(bench, job, "ready\n");
  await bench.supervisor.signal("killed", "SIGKILL");
  expect(await bench.ended(job)).toMatchObject({ state: "FAILED", end: { reason: "SIGNALED", signal: "SIGKILL" } });
});

supervised("a timeout ends the job and says TIMED_OUT, also one that ignores TERM", async (bench) => {
  const [meek, stubborn, quick] = await Promise.all([
    bench.sh("sleep 1000", { timeout: "200ms" }),
    bench.sh(STUBBORN, { timeout: "2s" }),
    bench.sh("exit 0", { timeout: "1h" }),
  ]);
  expect(quick.enforced.timeout).toEqual({ by: "tele" });
  expect((await bench.ended(quick)).reason).toBe("EXITED");
  const timedOut = { state: "FAILED", reason: "TIMED_OUT", end: { stoppedBy: "tele" } };
  const first = await bench.ended(meek);
  expect(first).toMatchObject(timedOut);
  expect(first.end?.signal).toBe("SIGTERM");
  expect(first.end?.usage.wallUs).toBeGreaterThanOrEqual(200_000);
  const second = await bench.ended(stubborn);
  expect(second).toMatchObject(timedOut);
  expect(second.end?.signal).toBe("SIGKILL");
});

supervised("a wait that is given up shows the job as it is", async (bench) => {
  await bench.sh("sleep 1000", {}, "long");
  expect(await bench.supervisor.wait("long", AbortSignal.timeout(20))).toMatchObject({
    phase: "OPEN",
    state: "RUNNING",
  });
  await bench.supervisor.stop("long", { by: "x", graceMs: 0 });
  expect((await bench.ended("long")).end).toMatchObject({ reason: "STOPPED", signal: "SIGKILL" });
});

supervised("a stop that meets the end leaves one truth: record, reason and memory agree", async (bench) => {
  const { supervisor } = bench;
  for (let round = 0; round < 40; round++) {
    const id = `race-${round}`;
    await bench.start({ command: ["/bin/true"] }, id);
    // On each turn of the event loop once more, until the end is there: one of them falls between end and record.
    const ended = bench.ended(id);
    for (let ask = 0; supervisor.peek(id)?.phase === "OPEN" && ask < 100_000; ask++) {
      if (ask >= round % 4) await supervisor.stop(id, { by: "racer" });
      await new Promise((resolve) => setImmediate(resolve));
    }
    const job = await ended;
    expect(job.reason).toBe(job.end?.reason as never);
    expect(supervisor.get(id)).toEqual(job);
  }
  await bench.reopen();
  for (const job of bench.supervisor.list({})) {
    expect([job.phase, job.reason]).toEqual(["CLOSED", job.end?.reason as never]);
    expect(job.state).toBe(job.reason === "STOPPED" ? "STOPPED" : "COMPLETED");
  }
});
