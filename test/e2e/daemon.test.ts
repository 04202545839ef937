// `tele serve` as people run it: the main job, and a daemon that is killed, ended, started twice or in the wrong place.
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Job } from "#spec/job.ts";
import { type Ran, tele, TELE } from "#test/support/cli-run.ts";
import { expectNoLeaks, tethersOf } from "#test/support/leaks.ts";
import { need } from "#test/support/needs.ts";
import { type Ground, makeGround, type Served } from "#test/support/serve.ts";
import { clear, openBench, warmUp } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";

/** A client of one daemon. */
type Client = (...words: string[]) => Promise<Ran>;

/** A test with a place for daemons; whatever they leave is cleared by one more, and must then be gone. */
function daemonTest(what: string, body: (ground: Ground, client: (served: Served) => Client) => Promise<void>): void {
  test(what, async () => {
    need("root", "cgroup");
    await warmUp();
    const ground = await makeGround();
    try {
      await expectNoLeaks(ground, async () => {
        try {
          await body(
            ground,
            ({ port }) =>
              (...words) =>
                tele(["--host", `127.0.0.1:${port}`, ...words], ground.env),
          );
        } finally {
          await ground.end();
          const bench = await openBench(ground);
          await clear(bench);
          await bench.close();
        }
      });
    } finally {
      ground.remove();
    }
  }, 120_000);
}

/** The answer of a command that must succeed. */
async function ok(ran: Promise<Ran>): Promise<string> {
  const { status, stdout, stderr } = await ran;
  expect([status, stderr]).toEqual([0, stderr]);
  return stdout;
}

const status = async (client: Client, name: string): Promise<Job> =>
  JSON.parse(await ok(client("status", "--json", name)));

daemonTest("the main job: start, watch, status, ps, stop, rm", async (ground, client) => {
  const served = await ground.serve();
  const run = client(served);
  const greeting = `/tmp/tele-greeting-${process.pid}`;
  const name = (await ok(run("start", "--", "/bin/sh", "-c", `echo hello tele | tee ${greeting}`))).trim();
  expect(name).toMatch(/^jobs\/[0-9a-f-]{36}$/);
  expect(await ok(run("watch", name))).toBe("hello tele\n");
  expect(await status(run, name)).toMatchObject({ owner: "admin", state: "COMPLETED", end: { exitCode: 0 } });
  expect(existsSync(greeting)).toBe(false);
  const long = (await ok(run("start", "--", "/bin/sleep", "1000"))).trim();
  expect(await ok(run("ps"))).toContain(long.slice(5, 13));
  await ok(run("stop", long));
  await run("wait", long);
  expect(await status(run, long)).toMatchObject({ state: "STOPPED", end: { stoppedBy: "admin", signal: "SIGTERM" } });
  await ok(run("rm", long));
  expect((await run("status", long)).status).not.toBe(0);
});

daemonTest(
  "killed in the middle of a stream, the next daemon tells all of it, and how it ended",
  async (ground, client) => {
    const first = await ground.serve();
    const script = "seq 1 300000; trap 'seq 300001 600000; exit 7' USR1; while :; do sleep 0.02; done";
    const name = (await ok(client(first)("start", "--", "/bin/sh", "-c", script))).trim();
    const id = name.slice(5);
    // Somebody watches when it happens; their connection ends, and they can tell that the stream was not over.
    const [program, ...before] = TELE;
    const watcher = spawn(program, [...before, "--host", `127.0.0.1:${first.port}`, "watch", name], {
      env: { PATH: process.env["PATH"] ?? "", ...ground.env },
      stdio: ["ignore", "pipe", "ignore"],
    });
    let seen = 0;
    watcher.stdout.on("data", (chunk: Buffer) => (seen += chunk.length));
    const left = new Promise<number | null>((resolve) => watcher.on("close", resolve));
    await until("the watcher sees something", () => seen > 0);
    expect(await first.end("SIGKILL")).toEqual({ status: null, signal: "SIGKILL" });

    const second = await ground.serve(first.port);
    const run = client(second);
    expect((await status(run, name)).phase).toBe("OPEN");
    await until("it is in its loop", async () => {
      await run("kill", "--signal", "USR1", name).catch(() => undefined);
      return (await status(run, name)).phase === "CLOSED";
    });
    expect(await status(run, name)).toMatchObject({ state: "FAILED", reason: "EXITED", end: { exitCode: 7 } });
    const numbers = Array.from({ length: 600_000 }, (_, index) => `${index + 1}\n`).join("");
    expect((await run("watch", id)).stdout === numbers).toBe(true);
    watcher.kill("SIGKILL");
    await left;
  },
);

daemonTest("TERM ends the daemon with status 0 and leaves its jobs running", async (ground, client) => {
  const first = await ground.serve();
  const name = (await ok(client(first)("start", "--", "/bin/sh", "-c", "echo here; sleep 1000"))).trim();
  const { pid } = await status(client(first), name);
  expect(await first.end("SIGTERM")).toEqual({ status: 0, signal: null });
  expect(tethersOf(ground.stateDirectory).length).toBe(1);
  const second = await ground.serve(first.port);
  expect(await status(client(second), name)).toMatchObject({ phase: "OPEN", pid: pid as number });
  await ok(client(second)("stop", name));
  // INT is as good: somebody who runs it in a terminal.
  expect(await second.end("SIGINT")).toEqual({ status: 0, signal: null });
  const third = await ground.serve();
  await client(third)("wait", name);
  expect(await status(client(third), name)).toMatchObject({ state: "STOPPED", end: { signal: "SIGTERM" } });
});

daemonTest("a second daemon is refused: on the same state, and on the same port", async (ground, client) => {
  const served = await ground.serve();
  const twice = await tele(ground.words());
  expect(twice.status).not.toBe(0);
  expect(twice.stderr).toContain(`another tele (process ${served.pid}) uses ${ground.stateDirectory}`);
  expect(twice.stderr).toContain("hint: ");
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  const elsewhere = ["--state-dir", join(ground.folder, "other"), "--cgroup-name", `${ground.cgroupName}-other`];
  const busy = await tele([...ground.words(port).slice(0, 3), "--config-dir", ground.configDir, ...elsewhere]);
  await new Promise((resolve) => taken.close(resolve));
  expect(busy.status).not.toBe(0);
  expect(busy.stderr).toMatch(new RegExp(`${port}.*in use|EADDRINUSE`));
  expect(busy.stderr).toContain("hint: ");
  expect(await ok(client(served)("ps"))).toBeDefined();
});

daemonTest("state of a newer version and a missing certificate are refused with the way out", async (ground) => {
  await (await ground.serve()).end("SIGTERM");
  const database = new DatabaseSync(join(ground.stateDirectory, "state.db"));
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as { user_version: number };
  database.exec(`PRAGMA user_version = ${version + 1}`);
  const newer = await tele(ground.words());
  database.exec(`PRAGMA user_version = ${version}`);
  database.close();
  expect(newer.status).not.toBe(0);
  expect(newer.stderr).toContain(`is of version ${version + 1}, and this tele knows versions up to ${version}`);
  expect(newer.stderr).toContain("hint: run the newer tele again");
  const bare = await tele([...ground.words(), "--config-dir", join(ground.folder, "nothing")]);
  expect(bare.status).not.toBe(0);
  expect(bare.stderr).toContain("tele cert init");
});
