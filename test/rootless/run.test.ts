// `tele run` and `tele plan`, the shipped file, as an ordinary user: test/rootless/run makes one and starts this as it.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { userInfo } from "node:os";
import { run, sh, tele } from "#test/support/foreground.ts";
import { foregroundCases } from "#test/support/foreground-cases.ts";
import { foregroundEnds } from "#test/support/foreground-ends.ts";
import { need } from "#test/support/needs.ts";

setDefaultTimeout(120_000);

const uid = process.getuid?.() ?? 0;

beforeAll(() => {
  need("userns", "dist/tele", "newuidmap");
  if (uid === 0) throw new Error("these are an ordinary user's tests: start them with test/rootless/run");
});

foregroundCases();
foregroundEnds();

describe("as an ordinary user", () => {
  test("root inside is us outside, and nobody else is there", async () => {
    const { stdout } = await sh("id -u; cat /proc/self/uid_map; cat /proc/self/setgroups");
    expect(stdout.split(/\s+/).filter(Boolean)).toEqual(["0", "0", "0", "1", "deny"]);
  });

  test("any user can be chosen, one at a time", async () => {
    expect((await run(["--user", "33:33"], ["id"])).stdout).toStartWith("uid=33");
    expect((await sh("cat /proc/self/uid_map", ["--uid", "1000"])).stdout.trim().split(/\s+/)).toEqual([
      "1000",
      "0",
      "1",
    ]);
  });

  test("what is written on a bind mount is ours", async () => {
    const { mkdtempSync, rmSync, statSync } = await import("node:fs");
    const folder = mkdtempSync("/tmp/tele-owner-");
    try {
      expect((await sh("echo x > /tmp/w/file", ["--bind", folder, "/tmp/w"])).status).toBe(0);
      expect(statSync(`${folder}/file`).uid).toBe(uid);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("the host's user namespace is refused, with the way out", async () => {
    const { status, stderr } = await run(["--userns", "host"], ["true"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining("cannot be host for an ordinary user")]);
    expect((await run(["--profile", "host"], ["true"])).status).toBe(2);
  });

  test("a limit that cannot be held is told, and runs; required it is refused, with the remedy", async () => {
    const told = await run(["--memory", "64Mi", "--pids", "9"], ["true"]);
    expect(told.status).toBe(0);
    expect(told.stderr.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/^tele: --memory is not held: .*systemd-run --user --scope -p Delegate=yes tele run/),
      expect.stringMatching(/^tele: --pids is not held: /),
    ]);
    expect((await run(["-q", "--memory", "64Mi"], ["true"])).stderr).toBe("");
    const refused = await run(["--memory", "64Mi", "--require", "memory"], ["sh", "-c", "echo ran"]);
    expect([refused.status, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toContain("hint: start tele in a cgroup of its own: systemd-run --user --scope");
  });

  describe("--subids", () => {
    test("has the ids of subuid(5), and files of other users stay theirs", async () => {
      const { stdout, stderr, status } = await sh("cat /proc/self/uid_map; id -u; cat /proc/self/setgroups", [
        "--subids",
      ]);
      expect([stderr, status]).toEqual(["", 0]);
      const lines = stdout.trimEnd().split("\n");
      const maps = lines.slice(0, -2).map((line) => line.trim().split(/\s+/).map(Number));
      expect(maps[0]).toEqual([0, 0, 1]);
      expect(maps[1]?.slice(0, 2)).toEqual([1, 1]);
      expect(lines.slice(-2)).toEqual(["0", "allow"]);
    });

    test("one of them can be the user, with groups", async () => {
      expect((await run(["--subids", "--user", "1000:1000"], ["id", "-u"])).stdout).toBe("1000\n");
    });

    test("signals reach it too", async () => {
      expect((await run(["--subids", "--user", "1000", "--timeout", "0.3s"], ["sleep", "1000"])).status).toBe(124);
    });

    test("without them a user beyond is refused", async () => {
      const { status, stderr } = await run(["--subids", "--user", "70000"], ["true"]);
      expect([status, stderr]).toEqual([2, expect.stringContaining("70000")]);
    });
  });

  test("tele plan shows the program of this user", async () => {
    const { stdout } = await tele(["plan", "--", "true"]);
    expect(stdout).toContain("CLONE_NEWUSER");
    expect(stdout).toContain("dev.host-null");
    expect(userInfo().uid).toBe(uid);
  });
});
