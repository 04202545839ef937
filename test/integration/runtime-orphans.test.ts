// Who a job leaves behind: nobody, whatever its processes did, and not one byte of theirs is lost.
import { expect } from "bun:test";
import { readlinkSync } from "node:fs";
import { pidsBeside, tethersOf } from "#test/support/leaks.ts";
import { type Bench, idOf, supervised, waitForText } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";

/** Pids of everything in the job's pid namespace once there are so many. */
function inside(job: { readonly pid?: number }, least: number): Promise<number[]> {
  return until(`${least} processes in the job`, () => {
    const pids = pidsBeside(job.pid ?? -1);
    return pids.length >= least && pids;
  });
}

/** Those of the processes that are still in a pid namespace. */
function alive(pids: readonly number[], namespace: string): number[] {
  return pids.filter((pid) => link(`/proc/${pid}/ns/pid`) === namespace);
}

/** When the end is told nobody is left but the tether, which leaves a moment later. */
async function expectTetherAlone(bench: Bench, pids: readonly number[], namespace: string): Promise<void> {
  const tethers = tethersOf(bench.stateDirectory);
  expect(alive(pids, namespace).length).toBeLessThanOrEqual(1);
  expect(tethers.length).toBeLessThanOrEqual(1);
  await until("the tether has left", () => alive(pids, namespace).length === 0);
}

/** Where everything that runs in the job belongs. */
const namespaceOf = (pid: number | undefined): string => link(`/proc/${pid}/ns/pid`) ?? "gone";

supervised("daemons, sessions of their own and stubborn children are gone with the main process", async (bench) => {
  const job = await bench.sh(
    `(trap '' TERM HUP INT; while :; do sleep 1000; done) &
     setsid sh -c 'trap "" TERM; sleep 1000; sleep 1000' &
     (setsid sh -c '(sleep 1000 &) ; exec sleep 1000' &)
     trap 'exit 4' USR1
     echo ready
     while :; do sleep 0.02; done`,
    {},
    "family",
  );
  await waitForText(bench, job, "ready\n");
  // The tether, the shell, and at least two of each of the three families.
  const pids = await inside(job, 8);
  const namespace = namespaceOf(job.pid);
  await bench.supervisor.signal("family", "SIGUSR1");
  expect((await bench.ended(job)).end).toMatchObject({ reason: "EXITED", exitCode: 4 });
  await expectTetherAlone(bench, pids, namespace);
});

supervised("what children and daemons wrote before the end is all there", async (bench) => {
  const { job, text } = await bench.run(
    `(setsid sh -c 'seq 1 60000; : > /tmp/done' &)
     (until [ -e /tmp/done ]; do sleep 0.02; done; seq 60001 120000; : > /tmp/also) &
     until [ -e /tmp/also ]; do sleep 0.02; done`,
  );
  expect(job.end).toMatchObject({ reason: "EXITED", exitCode: 0 });
  expect(text).toBe(Array.from({ length: 120_000 }, (_, index) => `${index + 1}\n`).join(""));
});

supervised("a job that closes its output runs on, and its end is still told", async (bench) => {
  const job = await bench.sh(
    "echo last; exec >&- 2>&-; trap 'exit 5' USR1; : > /tmp/closed; while :; do sleep 0.02; done",
    {},
    "silent",
  );
  await waitForText(bench, job, "last\n");
  await until("nobody holds the write ends", () => {
    const names = ["1", "2"].map((number) => link(`/proc/${job.pid}/fd/${number}`));
    return names.every((name) => name === undefined);
  });
  expect(bench.supervisor.get("silent")?.phase).toBe("OPEN");
  // The trap is set before anything can be asked of it: the loop's sleeps are children that ignore nothing.
  await until("it catches USR1", async () => {
    if (bench.supervisor.get("silent")?.phase === "OPEN")
      await bench.supervisor.signal("silent", "SIGUSR1").catch(() => undefined);
    return bench.supervisor.get("silent")?.phase === "CLOSED";
  });
  expect((await bench.ended(job)).end).toMatchObject({ exitCode: 5 });
  expect(bench.text(job)).toBe("last\n");
});

supervised("a thousand orphans are reaped while the job runs, and none are left of those that live", async (bench) => {
  const job = await bench.sh(
    `i=0; while [ $i -lt 1000 ]; do (true &); i=$((i+1)); done
     i=0; while [ $i -lt 200 ]; do (sleep 1000 &); i=$((i+1)); done
     echo ready; trap 'exit 0' USR1; while :; do sleep 0.05; done`,
    { limits: { pids: 400 } },
    "crowd",
  );
  await waitForText(bench, job, "ready\n");
  const pids = await inside(job, 202);
  // Zombies would count: the thousand would not have fitted below the limit either.
  await until("the thousand are reaped", () => pidsBeside(job.pid ?? -1).length <= 204);
  const namespace = namespaceOf(job.pid);
  await until("it is over", async () => {
    await bench.supervisor.signal("crowd", "SIGUSR1").catch(() => undefined);
    return bench.supervisor.get("crowd")?.phase === "CLOSED";
  });
  expect(bench.supervisor.get("crowd")?.end).toMatchObject({ reason: "EXITED", exitCode: 0 });
  await expectTetherAlone(bench, pids, namespace);
});

/** Kills the only tether there is from outside, as an administrator could. */
async function killTether(bench: Bench): Promise<void> {
  const [tether = 0, ...others] = tethersOf(bench.stateDirectory);
  expect([tether > 0, others]).toEqual([true, []]);
  process.kill(tether, "SIGKILL");
}

supervised("PID 1 killed from outside is told as what it was, and takes every process with it", async (bench) => {
  const job = await bench.sh("echo before; (setsid sleep 1000 &); sleep 1000", {}, "beheaded");
  await waitForText(bench, job, "before\n");
  const pids = await inside(job, 4);
  const namespace = namespaceOf(job.pid);
  await killTether(bench);
  const ended = await bench.ended(job);
  expect(ended).toMatchObject({ state: "FAILED", reason: "SIGNALED", end: { signal: "SIGKILL" } });
  expect(ended.end?.message).toContain("PID 1 of the sandbox was killed by SIGKILL");
  expect(ended.end?.exitCode).toBeUndefined();
  expect(bench.text(job)).toBe("before\n");
  expect(alive(pids, namespace)).toEqual([]);
});

supervised("a stop that only KILL of PID 1 completes is still a stop", async (bench) => {
  const job = await bench.sh("trap '' TERM; echo ready; while :; do sleep 0.05; done", {}, "both");
  await waitForText(bench, job, "ready\n");
  await bench.supervisor.stop(idOf(job), { by: "alice", graceMs: 3_600_000 });
  await killTether(bench);
  expect(await bench.ended(job)).toMatchObject({
    state: "STOPPED",
    end: { reason: "STOPPED", stoppedBy: "alice", signal: "SIGKILL" },
  });
});

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
