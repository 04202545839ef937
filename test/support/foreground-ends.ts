/** How a `tele run` ends, and what of it is left then: the same tests as root and as an ordinary user. */
import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, ended, mark, nothingLeft, run, sh, startTele, withMark, wrote } from "./foreground.ts";
import { until } from "./until.ts";

const KILLS = 25;

export function foregroundEnds(): void {
  describe("signals", () => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const)
      test(`${signal} is passed on`, async () => {
        const name = signal.slice(3);
        const child = startTele([
          "run",
          "--",
          "sh",
          "-c",
          `trap 'echo caught; exit 5' ${name}; echo ready; while :; do sleep 0.05; done`,
        ]);
        const out = wrote(child, "caught");
        await wrote(child, "ready");
        child.kill(signal);
        await out;
        expect((await ended(child)).status).toBe(5);
      });

    test("two INT are two INT", async () => {
      const script =
        "n=0; trap 'n=$((n+1)); echo got-$n; [ $n = 2 ] && exit 9' INT; echo ready; while :; do sleep 0.05; done";
      const child = startTele(["run", "--", "sh", "-c", script]);
      const [first, second] = [wrote(child, "got-1"), wrote(child, "got-2")];
      await wrote(child, "ready");
      child.kill("SIGINT");
      await first;
      child.kill("SIGINT");
      await second;
      expect((await ended(child)).status).toBe(9);
    });

    test("a command that does not catch TERM ends with it, and we with 143", async () => {
      const word = mark();
      const child = startTele(["run", "--", "sh", "-c", `echo ready; exec sleep 1000 # ${word}`]);
      await wrote(child, "ready");
      child.kill("SIGTERM");
      expect(await ended(child)).toMatchObject({ status: 143, signal: null });
      await nothingLeft(word);
    });

    test("TSTP stops both of us, CONT lets both go on", async () => {
      const word = mark();
      const child = startTele(["run", "--", "sh", "-c", `echo ready; while :; do sleep 0.02; done # ${word}`]);
      await wrote(child, "ready");
      const state = (pid: number): string =>
        /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
      const workload = await until("the workload", () =>
        withMark(word).find((pid) => !readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("tele")),
      );
      child.kill("SIGTSTP");
      await until("both are stopped", () => state(child.pid ?? 0) === "T" && state(workload) === "T");
      child.kill("SIGCONT");
      await until("both go on", () => state(child.pid ?? 0) !== "T" && state(workload) !== "T");
      child.kill("SIGTERM");
      expect((await ended(child)).status).toBe(143);
    });

    test("one that nohup ignores stays ignored by us", async () => {
      const child = spawn("sh", ["-c", `trap '' HUP; exec "$0" run -- sh -c 'echo ready; read line; exit 3'`, BINARY]);
      await wrote(child, "ready");
      child.kill("SIGHUP");
      child.stdin.end("go\n");
      expect((await ended(child)).status).toBe(3);
    });
  });

  describe("time", () => {
    test("--timeout ends it with TERM, we exit with 124", async () => {
      const { status, stderr } = await run(["--timeout", "0.3s"], ["sleep", "1000"]);
      expect([status, stderr]).toEqual([124, "tele: its time was up (--timeout 0.3s)\n"]);
    });

    test("what does not hear TERM is killed after --stop-grace", async () => {
      const word = mark();
      const { status, stdout } = await sh(`trap 'echo asked' TERM; while :; do sleep 0.05; done # ${word}`, [
        "--timeout",
        "0.3s",
        "--stop-grace",
        "0.3s",
      ]);
      expect([status, stdout]).toEqual([124, "asked\n"]);
      await nothingLeft(word);
    });

    test("a status of its own stays, where it ends in time", async () => {
      expect((await run(["--timeout", "60s"], ["sh", "-c", "exit 4"])).status).toBe(4);
    });
  });

  test("what the command leaves behind ends with it", async () => {
    const word = mark();
    const { status } = await sh(`for i in 1 2 3; do setsid sh -c 'sleep 1000; : ${word}' & done; sleep 0.1; exit 6`);
    expect(status).toBe(6);
    await nothingLeft(word);
  });

  test("KILL to us, at any moment, leaves nothing", async () => {
    const word = mark();
    for (let round = 0; round < KILLS; round++) {
      const child = startTele(
        ["run", "--", "sh", "-c", `echo ready; sleep 1000; : ${word}`],
        ["ignore", "pipe", "ignore"],
      );
      const over = ended(child);
      // From before its first line to well behind the start.
      const moment = (round / KILLS) * 60;
      const begin = performance.now();
      await until("the moment", () => performance.now() - begin >= moment);
      child.kill("SIGKILL");
      await over;
    }
    await nothingLeft(word);
  });

  test("KILL to PID 1 of the sandbox is an end too", async () => {
    const word = mark();
    const child = startTele(["run", "--", "sh", "-c", `echo ready; sleep 1000; : ${word}`]);
    await wrote(child, "ready");
    const tether = await until("the tether", () =>
      withMark(word).find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim() === "tele-tether"),
    );
    process.kill(tether, "SIGKILL");
    expect((await ended(child)).status).toBe(137);
    await nothingLeft(word);
  });

  test("--die-with-parent: the end of whoever started us is ours", async () => {
    const word = mark();
    const parent = spawn("sh", [
      "-c",
      `"$0" run --die-with-parent -- sh -c 'echo ready; sleep 1000; : ${word}' & wait`,
      BINARY,
    ]);
    await wrote(parent, "ready");
    parent.kill("SIGKILL");
    await nothingLeft(word);
  });

  describe("--status-fd", () => {
    async function statusOf(
      flags: readonly string[],
      command: string,
    ): Promise<{ lines: Record<string, unknown>[]; status: number | null }> {
      const folder = mkdtempSync(join(tmpdir(), "tele-status-"));
      const file = join(folder, "status");
      const fd = openSync(file, "w");
      try {
        const child = startTele(
          ["run", "--status-fd", "3", ...flags, "--", "sh", "-c", command],
          ["ignore", "pipe", "pipe", fd],
        );
        const { status } = await ended(child);
        const lines = readFileSync(file, "utf8").trimEnd().split("\n").filter(Boolean);
        return { status, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
      } finally {
        closeSync(fd);
        rmSync(folder, { recursive: true });
      }
    }

    test("tells the start, with what is held, and the end", async () => {
      const { lines, status } = await statusOf([], "exit 3");
      expect(status).toBe(3);
      // Its pid is told while it has one: this command may be over by then.
      expect(lines).toMatchObject([
        { event: "started", enforced: { seccomp: { by: "kernel" }, memory: { by: "none" } } },
        { event: "ended", end: { reason: "EXITED", exitCode: 3, usage: { wallUs: expect.any(Number) } } },
      ]);
    });

    test("tells the pid of what goes on, as the host numbers it", async () => {
      const { lines } = await statusOf(["--timeout", "1s"], "sleep 1000");
      expect(lines[0]).toMatchObject({ event: "started", pid: expect.any(Number) });
    });

    test("tells what was timed out, and what never started", async () => {
      expect((await statusOf(["--timeout", "0.2s"], "sleep 1000")).lines[1]).toMatchObject({
        end: { reason: "TIMED_OUT", signal: "SIGTERM" },
      });
      expect((await statusOf(["-w", "/nowhere"], "true")).lines).toMatchObject([
        { event: "ended", end: { reason: "START_FAILED", exitCode: 125, step: "workdir.enter", errno: "ENOENT" } },
      ]);
    });

    test("is no descriptor of the command's", async () => {
      const { lines } = await statusOf([], "! [ -e /proc/self/fd/3 ]");
      expect(lines[1]).toMatchObject({ end: { exitCode: 0 } });
    });

    for (const [number, fault] of [
      ["x", "must be the number of a descriptor"],
      ["9", "is not open"],
      ["4", "is not open"],
      ["0", "is open for reading only"],
    ] as const)
      test(`${number} is refused: it ${fault}`, async () => {
        const { status, stderr } = await run(["--status-fd", number], ["true"]);
        expect([status, stderr]).toEqual([2, expect.stringContaining(fault)]);
        expect(stderr).toContain("hint: open it first");
      });
  });
}
