// What was begun before the daemon died goes on: time-outs, graces, limits, starts.
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { tethersOf } from "#test/support/leaks.ts";
import { mortals } from "#test/support/mortal.ts";
import { until } from "#test/support/until.ts";

const STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done";

mortals("a time-out goes on, and one that ran out meanwhile comes at once", async (bed) => {
  const daemon = await bed.daemon();
  const begun = performance.now();
  await daemon.sh("sleep 1000", "later", { timeout: "3s" });
  await daemon.sh("sleep 1000", "due", { timeout: "400ms" });
  // Ended by itself, in time, but nobody was there to see it.
  await daemon.sh("sleep 0.1; echo done; exit 6", "in-time", { timeout: "400ms" });
  await daemon.kill();
  await bed.recorded("in-time");
  await until("the time-outs of two have passed", () => performance.now() - begun > 500);
  const bench = await bed.next();
  const due = await bench.ended("due");
  expect(due).toMatchObject({ state: "FAILED", reason: "TIMED_OUT", end: { signal: "SIGTERM", stoppedBy: "tele" } });
  expect(await bench.ended("in-time")).toMatchObject({ state: "FAILED", reason: "EXITED", end: { exitCode: 6 } });
  const later = await bench.ended("later");
  expect(later).toMatchObject({ reason: "TIMED_OUT" });
  expect(later.end?.usage.wallUs).toBeGreaterThanOrEqual(2_900_000);
});

mortals("a stop's grace goes on as it was asked for, shorter or longer than the usual", async (bed) => {
  const daemon = await bed.daemon();
  for (const id of ["short", "long"]) {
    await daemon.sh(STUBBORN, id);
    await until(`${id} is ready`, () => bed.size(id) > 0);
  }
  await daemon.stop("long", { by: "bob", graceMs: 3_600_000 });
  await daemon.stop("short", { by: "alice", graceMs: 300 });
  await daemon.kill();
  const begun = performance.now();
  const bench = await bed.next();
  const { end } = await bench.ended("short");
  expect(end).toMatchObject({ reason: "STOPPED", signal: "SIGKILL", stoppedBy: "alice" });
  expect(performance.now() - begun).toBeLessThan(4_500);
  expect(bench.supervisor.get("long")).toMatchObject({ phase: "OPEN", reason: "STOPPING" });
  // The usual grace is five seconds: past them it still has its hour.
  await until("more than the usual grace has passed", () => performance.now() - begun > 5_500);
  expect(bench.supervisor.get("long")?.phase).toBe("OPEN");
  await bench.supervisor.stop("long", { by: "carol", graceMs: 0 });
  expect((await bench.ended("long")).end).toMatchObject({ signal: "SIGKILL", stoppedBy: "bob" });
});

mortals("why a job is being stopped is not forgotten, nor its limit of output", async (bed) => {
  const daemon = await bed.daemon();
  const limits = { output: 50_000 };
  await daemon.sh("trap '' TERM; while :; do echo 0123456789; done", "over", { limits });
  await daemon.sh("trap 'go=1' USR1; echo ready; until [ $go ]; do sleep 0.02; done; seq 1 100000", "under", {
    limits,
  });
  await until("it is stopped", async () => (await daemon.get("over"))?.reason === "STOPPING");
  await until("the other is ready", () => bed.size("under") > 0);
  await daemon.kill();
  const bench = await bed.next();
  await bench.supervisor.signal("under", "SIGUSR1");
  for (const id of ["over", "under"]) {
    const job = await bench.ended(id);
    expect(job).toMatchObject({ state: "FAILED", reason: "OUTPUT_LIMIT", end: { stoppedBy: "tele" } });
    expect(job.end?.message).toBe("it wrote more than its limit of output");
    expect(bench.text(id).length).toBe(50_000);
  }
});

mortals("a job whose tether was killed during its stop was not seen to be stopped", async (bed) => {
  const daemon = await bed.daemon();
  await daemon.sh(STUBBORN, "half");
  await until("it is ready", () => bed.size("half") > 0);
  await daemon.stop("half", { by: "alice", graceMs: 3_600_000 });
  await daemon.kill();
  for (const pid of tethersOf(bed.place.stateDirectory)) process.kill(pid, "SIGKILL");
  await until("it is gone", () => tethersOf(bed.place.stateDirectory).length === 0);
  const bench = await bed.next();
  expect(bench.supervisor.get("half")).toMatchObject({ state: "FAILED", reason: "LOST", end: { stoppedBy: "alice" } });
});

/** Stops a tether while it still makes its mounts; undefined where it was too fast. */
async function caught(stateDirectory: string, answered: () => boolean): Promise<number | undefined> {
  for (let look = 0; look < 100_000 && !answered(); look++) {
    const [tether] = tethersOf(stateDirectory);
    if (tether !== undefined) {
      process.kill(tether, "SIGSTOP");
      const children = (): string => readFileSync(`/proc/${tether}/task/${tether}/children`, "utf8");
      const state = (): string => readFileSync(`/proc/${tether}/stat`, "utf8").split(") ").at(-1) ?? "";
      await until("it is stopped", () => /^[TtZX]/.test(state()));
      if (state().startsWith("T") && children() === "" && !answered()) return tether;
      process.kill(tether, "SIGCONT");
      return undefined;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return undefined;
}

for (const when of ["before", "while"] as const)
  mortals(`a start that fails ${when} the next daemon begins is a failed start, with its step`, async (bed) => {
    // So many mounts that the tether can be caught making them.
    const options = { hide: Array.from({ length: 2_000 }, () => "/srv") };
    const daemon = await bed.daemon(options);
    let [id, tether] = ["", undefined as number | undefined];
    for (let attempt = 0; tether === undefined && attempt < 20; attempt++) {
      id = `nowhere-${attempt}`;
      let answered = false;
      const answer = daemon.start({ command: ["/nowhere/at-all"] }, id).catch(() => undefined);
      const done = answer.then(() => (answered = true));
      tether = await caught(bed.place.stateDirectory, () => answered);
      if (tether === undefined) await done;
    }
    if (tether === undefined) throw new Error("no tether was slow enough");
    const pid = tether;
    const database = new DatabaseSync(join(bed.place.stateDirectory, "state.db"), { readOnly: true });
    await until("it is on record", () => database.prepare("SELECT 1 FROM jobs WHERE tether_pid = ?").get(pid));
    database.close();
    await daemon.kill();
    process.kill(pid, "SIGCONT");
    if (when === "before") await bed.recorded(id);
    const bench = await bed.next(options);
    expect(await bench.ended(id)).toMatchObject({
      state: "FAILED",
      reason: "START_FAILED",
      end: { reason: "START_FAILED", exitCode: 127, step: "workload.exec", errno: "ENOENT" },
    });
  });

mortals("daemons killed in the middle of many starts leave whole jobs or none", async (bed) => {
  for (let round = 0; round < 6; round++) {
    const daemon = await bed.daemon();
    for (let n = 0; n < 12; n++) void daemon.sh(`echo ${round}; sleep 1000`, `job-${round}-${n}`);
    // Somewhere between the first byte of the first and the start of the last.
    await until("some have begun", () => tethersOf(bed.place.stateDirectory).length >= round * 2);
    await daemon.kill();
    const bench = await bed.next();
    const jobs = [...bench.supervisor.list({})];
    for (const job of jobs) expect(["RUNNING", "LOST", "START_FAILED"]).toContain(job.reason);
    const running = jobs.filter(({ phase }) => phase === "OPEN");
    await until(
      "each tether is that of an open job",
      () => tethersOf(bed.place.stateDirectory).length === running.length,
    );
    for (const job of running) {
      const id = job.name.slice(5);
      await until(`${id} has written`, () => bench.text(id).length > 0);
      await bench.supervisor.stop(id, { by: "test", graceMs: 0 });
      expect((await bench.ended(id)).reason).toBe("STOPPED");
    }
    for (const job of jobs) await bench.supervisor.remove(job.name.slice(5));
    await bench.close();
  }
});
