// `tele run` and `tele plan`, the shipped file, as root: no daemon.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ended, mark, nothingLeft, run, runCgroups, sh, startTele, withMark, wrote } from "#test/support/foreground.ts";
import { foregroundCases } from "#test/support/foreground-cases.ts";
import { foregroundEnds } from "#test/support/foreground-ends.ts";
import { need } from "#test/support/needs.ts";
import { until } from "#test/support/until.ts";

setDefaultTimeout(120_000);

beforeAll(() => need("root", "cgroup", "dist/tele"));

foregroundCases();
foregroundEnds();

describe("as root", () => {
  test("the ids of a sandbox are nobody else's, and two at once have different ones", async () => {
    const words = [mark(), mark()];
    const children = words.map((word) =>
      startTele(["run", "--", "sh", "-c", `cat /proc/self/uid_map; echo ready; read x # ${word}`]),
    );
    const maps = await Promise.all(children.map((child) => wrote(child, "ready")));
    const starts = maps.map((text) => Number(text.trim().split(/\s+/)[1]));
    expect(new Set(starts).size).toBe(2);
    for (const start of starts) expect(start).toBeGreaterThanOrEqual(2 ** 30);
    const [pid = 0] = withMark(words[0] ?? "").filter(
      (one) => !readFileSync(`/proc/${one}/comm`, "utf8").startsWith("tele"),
    );
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toContain(`Uid:\t${starts[0]}\t`);
    for (const child of children) child.stdin?.end();
    await Promise.all(children.map(ended));
  });

  test("--userns host keeps the host's", async () => {
    expect((await sh("cat /proc/self/uid_map", ["--userns", "host"])).stdout.trim().split(/\s+/)).toEqual([
      "0",
      "0",
      "4294967295",
    ]);
  });

  test("--user 33 has its own ids in a range", async () => {
    expect((await run(["--user", "33"], ["id", "-u"])).stdout).toBe("33\n");
  });
});

describe("limits", () => {
  test("memory: what goes beyond is killed, and we say why", async () => {
    const { status, stderr } = await sh("head -c 300m /dev/zero | tail -c 300m >/dev/null; exit $?", [
      "--memory",
      "64Mi",
    ]);
    expect([status, stderr]).toEqual([137, expect.stringContaining("killed for want of memory (--memory 64Mi)")]);
    expect(runCgroups()).toEqual([]);
  });

  test("pids: a fork too many is refused", async () => {
    const { stdout, stderr } = await sh("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo started", ["--pids", "4"]);
    expect(`${stdout}${stderr}`).toMatch(/[Cc]annot fork|Resource temporarily unavailable/);
    expect(runCgroups()).toEqual([]);
  });

  test("cpus: a busy loop gets its share", async () => {
    const { status } = await run(["--cpus", "0.5", "--timeout", "1s", "-q"], ["sh", "-c", "while :; do :; done"]);
    expect(status).toBe(124);
    expect(runCgroups()).toEqual([]);
  });

  test("only what was asked for is held", async () => {
    const child = startTele(
      ["run", "--status-fd", "3", "--memory", "64Mi", "--", "true"],
      ["ignore", "pipe", "pipe", "pipe"],
    );
    let text = "";
    (child.stdio[3] as NodeJS.ReadableStream).on("data", (chunk: Buffer) => (text += chunk.toString()));
    await ended(child);
    const [started, over] = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { enforced?: unknown; end?: unknown });
    expect(started?.enforced).toMatchObject({
      memory: { by: expect.stringMatching(/^cgroup[12]$/) },
      cpus: { by: "none", why: "not asked for" },
      pids: { by: "none", why: "not asked for" },
    });
    expect(over?.end).toMatchObject({ usage: { memoryPeakBytes: expect.any(Number) } });
  });

  test("KILL to us leaves a cgroup for a moment only: the next run takes it away", async () => {
    const word = mark();
    const child = startTele(["run", "--memory", "64Mi", "--", "sh", "-c", `echo ready; sleep 1000; : ${word}`]);
    await wrote(child, "ready");
    const over = ended(child);
    child.kill("SIGKILL");
    await over;
    await until("its processes are gone", () => withMark(word).length === 0);
    expect((await run(["--memory", "64Mi"], ["true"])).status).toBe(0);
    await nothingLeft(word);
  });

  test("--require of what this host cannot hold is refused before anything starts", async () => {
    const { status, stderr } = await run(["--require", "memory,timeout"], ["true"]);
    expect([status, stderr]).toEqual([1, expect.stringContaining("memory cannot be held: not asked for")]);
    expect(stderr).toContain("timeout cannot be held");
  });
});
