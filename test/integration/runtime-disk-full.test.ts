// A full disk costs a job its further output and nothing else: not its end, not its status, not the daemon.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectNoLeaks } from "#test/support/leaks.ts";
import { need } from "#test/support/needs.ts";
import { wholeIndex } from "#test/support/index-check.ts";
import { type Bench, makePlace, openBench, refusal, TEST_MS, waitForText, warmUp } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";

/** A test whose state lies on a file system of 6 MiB of its own. */
function onSmallDisk(what: string, body: (bench: Bench, ballast: string) => Promise<void>): void {
  test(
    what,
    async () => {
      need("root", "mount");
      await warmUp();
      const disk = mkdtempSync(join(tmpdir(), "tele-full-"));
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m,mode=700", "tele-test", disk]);
      try {
        const place = { ...makePlace(), stateDirectory: join(disk, "state") };
        rmSync(join(makePlace().stateDirectory, ".."), { recursive: true, force: true });
        const ballast = join(disk, "ballast");
        await expectNoLeaks({ ...place, stateDirectory: join(disk, "none") }, async () => {
          const bench = await openBench(place);
          try {
            await body(bench, ballast);
          } finally {
            rmSync(ballast, { force: true });
            for (const job of bench.supervisor.list({}))
              await bench.supervisor.stop(job.name.slice(5), { by: "test", graceMs: 0 });
            for (const job of bench.supervisor.list({})) await bench.ended(job);
            await bench.close();
          }
        });
      } finally {
        execFileSync("umount", [disk]);
        rmdirSync(disk);
      }
    },
    TEST_MS,
  );
}

/** Takes every block there is. */
function fill(ballast: string): void {
  const { bfree, bsize } = statfsSync(join(ballast, ".."));
  const block = new Uint8Array(bsize);
  for (let i = 0; i <= bfree + 1; i++) {
    try {
      appendFileSync(ballast, block);
    } catch {
      return;
    }
  }
}

onSmallDisk("a job that fills the disk is stopped with the reason, and the others go on", async (bench, ballast) => {
  const quiet = await bench.sh("trap 'echo heard' USR1; echo ready; while :; do sleep 0.02; done", {}, "quiet");
  await waitForText(bench, quiet, "ready\n");
  const greedy = await bench.sh("exec yes 0123456789abcdef", {}, "greedy");
  // Nobody makes room: what the daemon has kept back must be enough.
  const ended = await bench.ended(greedy);
  fill(ballast);
  const full = await refusal(bench.sh("true", {}, "refused"));
  expect([full.code, full.fields.hint !== undefined]).toEqual(["INSUFFICIENT_STORAGE", true]);
  expect(bench.supervisor.get("refused")).toBeUndefined();
  expect(readdirSync(join(bench.stateDirectory, "jobs")).sort()).toEqual(["greedy", "quiet"]);
  expect(bench.supervisor.get("quiet")?.phase).toBe("OPEN");

  expect(ended).toMatchObject({
    state: "FAILED",
    reason: "OUTPUT_LIMIT",
    end: { stoppedBy: "tele", message: "its output could not be written: ENOSPC", signal: "SIGTERM" },
  });
  const output = bench.supervisor.output("greedy");
  if (!output) throw new Error("its output is gone");
  wholeIndex(output);
  expect(output.size()).toBeGreaterThan(1_000_000);
  expect("0123456789abcdef\n".repeat(Math.ceil(output.size() / 17)).startsWith(bench.text(greedy))).toBe(true);

  // Deleting needs no room either, and with the space that it gives back new jobs start.
  await bench.supervisor.remove("greedy");
  expect((await bench.run("echo back")).text).toBe("back\n");
  await bench.supervisor.signal("quiet", "SIGUSR1");
  await waitForText(bench, quiet, "heard\n");
});

onSmallDisk("an end that finds no space is told when there is some, with its status", async (bench, ballast) => {
  await bench.sh("trap 'exit 42' USR1; echo ready; while :; do sleep 0.02; done", {}, "exits");
  await bench.sh("trap 'exit 43' TERM; echo ready; while :; do sleep 0.02; done", {}, "stopped");
  for (const id of ["exits", "stopped"]) await waitForText(bench, id, "ready\n");
  const pids = ["exits", "stopped"].map((id) => bench.supervisor.get(id)?.pid ?? 0);
  rmSync(join(bench.stateDirectory, "reserve"));
  fill(ballast);
  await bench.supervisor.stop("stopped", { by: "alice" });
  await bench.supervisor.signal("exits", "SIGUSR1");
  // Blocks that SQLite has already would still take a change or two: as soon as one is given back it is taken.
  await until("their processes are gone", () => {
    fill(ballast);
    return pids.every((pid) => !existsSync(`/proc/${pid}`));
  });
  fill(ballast);
  rmSync(ballast);
  const [exits, stopped] = [await bench.ended("exits"), await bench.ended("stopped")];
  expect(exits).toMatchObject({ state: "FAILED", reason: "EXITED", end: { exitCode: 42 } });
  expect(stopped).toMatchObject({ state: "STOPPED", reason: "STOPPED", end: { exitCode: 43, stoppedBy: "alice" } });
  await bench.reopen();
  // What was tried again later has not undone what came after it.
  expect([bench.supervisor.get("exits"), bench.supervisor.get("stopped")]).toEqual([exits, stopped]);
});

onSmallDisk("a daemon that ends while the disk is full leaves the end to the next one", async (bench, ballast) => {
  await bench.sh("trap 'echo last; exit 42' USR1; echo ready; while :; do sleep 0.02; done", {}, "exits");
  await waitForText(bench, "exits", "ready\n");
  const { pid } = bench.supervisor.get("exits") ?? {};
  fill(ballast);
  await bench.supervisor.signal("exits", "SIGUSR1");
  await until("its process is gone", () => {
    fill(ballast);
    return !existsSync(`/proc/${pid}`);
  });
  await bench.close();
  rmSync(ballast);
  await bench.reopen();
  const job = await bench.ended("exits");
  expect(job.phase).toBe("CLOSED");
  expect(job.end?.exitCode).toBe(42);
});
