// The daemon dies; its jobs do not notice, and the next one knows everything that happened.
import { expect } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { jobParents } from "#host/cgroup/facts.ts";
import { openStateDirectory, stateDirectory } from "#runtime/state-directory.ts";
import { openStore, type Store } from "#runtime/store/store.ts";
import { wholeIndex } from "#test/support/index-check.ts";
import { cgroupsOf, jobCgroups, type Place, tethersOf } from "#test/support/leaks.ts";
import { type Mortal, mortals } from "#test/support/mortal.ts";
import { type Bench, openBench, refusal, supervised, waitForText } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";

/** Lines 1 to `last`. */
const numbers = (last: number): string => Array.from({ length: last }, (_, index) => `${index + 1}\n`).join("");

function expectWholeIndex({ supervisor }: Bench, id: string): void {
  const output = supervisor.output(id);
  if (!output) throw new Error(`${id} has no output`);
  wholeIndex(output);
}

/** Changes records while no daemon runs. */
async function tamper({ stateDirectory: path }: Place, work: (store: Store) => void): Promise<void> {
  const state = stateDirectory(path);
  const lock = openStateDirectory(state);
  const store = openStore(state.database);
  work(store);
  await store.close();
  lock.release();
}

mortals("a stream that is written while the daemon is killed arrives whole, once and in order", async (bed) => {
  const daemon = await bed.daemon();
  const job = await daemon.sh("seq 1 2000000; exit 7", "stream");
  await until("its first bytes", () => bed.size("stream") > 0);
  await daemon.kill();
  const bench = await bed.next();
  expect(bench.supervisor.get("stream")).toMatchObject({ owner: "tester", createTime: job.createTime });
  const ended = await bench.ended("stream");
  expect(ended).toMatchObject({ state: "FAILED", reason: "EXITED", end: { exitCode: 7 } });
  expect(bench.text("stream") === numbers(2_000_000)).toBe(true);
  expectWholeIndex(bench, "stream");
});

mortals("twenty daemons are killed during one stream, and the twenty-first tells of it without a gap", async (bed) => {
  const first = await bed.daemon();
  const lines =
    "$SIG{USR1} = sub { exit 7 }; for ($n = 1;; $n++) { syswrite(STDOUT, qq($n\\n)) == length($n) + 1 or die }";
  await first.start({ command: ["/usr/bin/perl", "-e", lines], limits: { cpus: 0.5 } }, "stream");
  let daemon: Mortal | undefined = first;
  for (let round = 0; round < 20; round++) {
    const before = bed.size("stream");
    // Some are killed as soon as they can, some while they take over, some in the middle of their work.
    if (daemon && round % 5 === 0) await daemon.kill();
    else if (daemon) {
      await until("it has carried on", () => bed.size("stream") > before + round * 1_000);
      await daemon.kill();
    }
    if (round % 4 === 3) {
      const kill = bed.stillborn();
      await new Promise((resolve) => setTimeout(resolve, 5 * round));
      await kill();
    }
    daemon = await bed.daemon();
  }
  await daemon?.kill();
  const bench = await bed.next();
  expect(bench.supervisor.get("stream")?.phase).toBe("OPEN");
  await bench.supervisor.signal("stream", "SIGUSR1");
  expect((await bench.ended("stream")).end).toMatchObject({ reason: "EXITED", exitCode: 7 });
  const text = bench.text("stream");
  expect(text === numbers(text.trimEnd().split("\n").length)).toBe(true);
  expectWholeIndex(bench, "stream");
});

mortals("jobs that have written nothing yet are taken over too", async (bed) => {
  const daemon = await bed.daemon();
  await daemon.sh("until [ -e /tmp/go ]; do sleep 0.02; done & sleep 1000", "silent");
  await daemon.kill();
  const bench = await bed.next();
  expect(bench.supervisor.get("silent")).toMatchObject({ phase: "OPEN", usage: { outputBytes: 0 } });
});

mortals("jobs that end while no daemon runs are told of truly, with what was left in their pipes", async (bed) => {
  const daemon = await bed.daemon();
  const wait = "trap 'go=1' USR1; echo ready; until [ $go ]; do sleep 0.02; done";
  const scripts: Record<string, string> = {
    exits: `${wait}; seq 1 10000; echo tail >&2; exit 9`,
    dies: `${wait}; echo dying; kill -SEGV $$`,
    oom: `${wait}; exec dd if=/dev/zero of=/dev/null bs=200M count=1`,
    full: `${wait}; seq 1 200000; exit 3`,
  };
  const jobs = new Map<string, number>();
  for (const [id, script] of Object.entries(scripts))
    jobs.set(id, (await daemon.sh(script, id, { limits: { cpus: 4, memory: "64Mi" } })).pid ?? 0);
  for (const id of jobs.keys()) await until(`${id} is ready`, () => bed.size(id) >= 6);
  await daemon.kill();
  for (const pid of jobs.values()) process.kill(pid, "SIGUSR1");
  for (const id of ["exits", "dies", "oom"]) await bed.recorded(id);
  const bench = await bed.next();
  const ended = Object.fromEntries(await Promise.all([...jobs.keys()].map(async (id) => [id, await bench.ended(id)])));
  expect(ended["exits"]).toMatchObject({ state: "FAILED", reason: "EXITED", end: { exitCode: 9 } });
  expect(ended["dies"]).toMatchObject({ state: "FAILED", reason: "SIGNALED", end: { signal: "SIGSEGV" } });
  expect(ended["oom"]).toMatchObject({ state: "FAILED", reason: "OOM_KILLED", end: { signal: "SIGKILL" } });
  expect(ended["oom"].end.usage.oomKills).toBeGreaterThan(0);
  // It was blocked by its full pipe until somebody read.
  expect(ended["full"]).toMatchObject({ reason: "EXITED", end: { exitCode: 3 } });
  const sorted = (id: string): string[] => bench.text(id).split("\n").sort();
  expect(sorted("exits")).toEqual(`ready\n${numbers(10_000)}tail\n`.split("\n").sort());
  expect(bench.text("full") === `ready\n${numbers(200_000)}`).toBe(true);
  expect(bench.text("dies")).toContain("ready\ndying\n");
  for (const id of jobs.keys()) expectWholeIndex(bench, id);
});

mortals(
  "what cannot be known is LOST: a tether killed meanwhile, another boot, a pid that is another's",
  async (bed) => {
    const daemon = await bed.daemon();
    for (const id of ["killed", "rebooted", "taken"]) {
      await daemon.sh(`echo ${id}; sleep 1000`, id);
      await until(`${id} has written`, () => bed.size(id) > 0);
    }
    await daemon.kill();
    for (const pid of tethersOf(bed.place.stateDirectory)) process.kill(pid, "SIGKILL");
    await until("they are gone", () => tethersOf(bed.place.stateDirectory).length === 0);
    const stranger = spawn("sleep", ["1000"]);
    const left = new Promise((resolve) => stranger.on("exit", (_, signal) => resolve(signal)));
    try {
      await tamper(bed.place, (store) => {
        const tether = (id: string) => store.get(id)?.tether ?? { pid: 0, startTicks: 0, bootId: "" };
        const elsewhere = "00000000-0000-4000-8000-000000000000";
        store.update("rebooted", { tether: { ...tether("rebooted"), pid: stranger.pid ?? 0, bootId: elsewhere } });
        store.update("taken", { tether: { ...tether("taken"), pid: stranger.pid ?? 0 } });
      });
      const bench = await bed.next();
      for (const id of ["killed", "rebooted", "taken"]) {
        const job = bench.supervisor.get(id);
        expect(job).toMatchObject({ state: "FAILED", phase: "CLOSED", reason: "LOST" });
        expect(job?.end?.message).toContain("no exit record");
        expect([job?.end?.exitCode, job?.end?.signal]).toEqual([undefined, undefined]);
        expect([bench.text(id), job?.end?.usage.outputBytes]).toEqual([`${id}\n`, id.length + 1]);
      }
      expect([stranger.exitCode, stranger.signalCode]).toEqual([null, null]);
    } finally {
      stranger.kill("SIGKILL");
      await left;
    }
  },
);

mortals("tethers of no open job are killed, and directories and cgroups of unknown jobs removed", async (bed) => {
  const daemon = await bed.daemon();
  for (const id of ["forgotten", "closed", "open"]) await daemon.sh("echo here; sleep 1000", id);
  const open = await daemon.get("open");
  await daemon.kill();
  await tamper(bed.place, (store) => {
    store.remove("forgotten");
    // As a daemon leaves it that dies between the record of the end and the release of the tether.
    store.update("closed", {
      state: "COMPLETED",
      reason: "EXITED",
      end: { reason: "EXITED", exitCode: 0, usage: { wallUs: 1, outputBytes: 5 } },
    });
  });
  mkdirSync(join(bed.place.stateDirectory, "jobs", "unknown"));
  writeFileSync(join(bed.place.stateDirectory, "jobs", "unknown", "data"), "left");
  expect(tethersOf(bed.place.stateDirectory).length).toBe(3);
  const bench = await bed.next();
  for (const { parent } of jobParents(bench.supervisor.ground.cgroups.facts)) mkdirSync(join(parent, "stray"));
  await until("only the open one's tether is there", () => tethersOf(bed.place.stateDirectory).length === 1);
  expect(bench.supervisor.get("forgotten")).toBeUndefined();
  expect(bench.supervisor.get("closed")).toMatchObject({ state: "COMPLETED", end: { exitCode: 0 } });
  expect(bench.supervisor.get("open")).toMatchObject({ phase: "OPEN", pid: open?.pid as number });
  expect(readdirSync(join(bed.place.stateDirectory, "jobs")).sort()).toEqual(["closed", "open"]);
  const again = await bed.next();
  const names = new Set(jobCgroups(bed.place.cgroupName).map((path) => path.split("/").at(-1)));
  expect([...names]).toEqual(["open"]);
  expect(again.supervisor.get("open")?.phase).toBe("OPEN");
});

supervised("a daemon that closes leaves its jobs running, and the next one has them in hand", async (bench) => {
  const job = await bench.sh("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.02; done", {}, "stays");
  await waitForText(bench, job, "ready\n");
  for (let round = 0; round < 3; round++) {
    await bench.reopen();
    expect(bench.supervisor.get("stays")).toMatchObject({ phase: "OPEN", state: "RUNNING", pid: job.pid as number });
  }
  await bench.supervisor.stop("stays", { by: "alice" });
  expect(await bench.ended("stays")).toMatchObject({ state: "STOPPED", end: { exitCode: 5, stoppedBy: "alice" } });
  expect(bench.text("stays")).toBe("ready\nbye\n");
  expect(existsSync(`/proc/${job.pid}`)).toBe(false);
});

supervised("a second daemon on the same state is refused, and the first does not notice", async (bench) => {
  const error = await refusal(openBench(bench));
  expect(error.code).toBe("FAILED_PRECONDITION");
  expect(error.message).toContain(bench.stateDirectory);
  expect(error.fields.hint).toBeDefined();
  expect((await bench.run("echo works")).text).toBe("works\n");
});

mortals("a second daemon as another process is told whose the state is", async (bed) => {
  const daemon = await bed.daemon();
  const error = (await bed.daemon().catch((fault: unknown) => fault)) as { code: string; detail: string };
  expect(error.code).toBe("FAILED_PRECONDITION");
  expect(error.detail).toBe(`another tele (process ${daemon.pid}) uses ${bed.place.stateDirectory}`);
  await daemon.kill();
  // The lock is the process's, not the file's.
  await (await bed.daemon()).close();
});

mortals("state of a newer version is refused and left as it is", async (bed) => {
  await (await bed.daemon()).close();
  const path = join(bed.place.stateDirectory, "state.db");
  const version = (change: (now: number) => number): void => {
    const database = new DatabaseSync(path);
    const { user_version: now } = database.prepare("PRAGMA user_version").get() as { user_version: number };
    database.exec(`PRAGMA user_version = ${change(now)}`);
    database.close();
  };
  version((now) => now + 1);
  const before = readFileSync(path);
  const error = (await bed.daemon().catch((fault: unknown) => fault)) as { code: string; detail: string };
  const after = readFileSync(path);
  version((now) => now - 1);
  expect(error.code).toBe("FAILED_PRECONDITION");
  expect(error.detail).toMatch(/is of version \d+, and this tele knows versions up to \d+/);
  expect(after.equals(before)).toBe(true);
  expect(cgroupsOf(bed.place.cgroupName)).toEqual([]);
});
