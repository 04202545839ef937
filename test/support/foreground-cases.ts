/** What `tele run` does for whoever runs it: the same tests as root and as an ordinary user. */
import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, ended, run, sh, startTele, tele } from "./foreground.ts";

export function foregroundCases(): void {
  // Twice each: the second time the kept tether runs.
  for (const way of ["the long way", "the short way"]) {
    describe(`status, ${way}`, () => {
      for (const [script, status] of [
        ["exit 0", 0],
        ["exit 7", 7],
        ["exit 255", 255],
        ["kill -TERM $$", 143],
        ["kill -KILL $$", 137],
      ] as const)
        test(`${script} is ${status}`, async () => {
          expect(await sh(script)).toEqual({ status, signal: null, stdout: "", stderr: "" });
        });

      test("a program that is not there is 127, and says so", async () => {
        const { status, stderr } = await run([], ["/nowhere/at-all"]);
        expect(status).toBe(127);
        expect(stderr).toStartWith('error: workload.exec: execve("/nowhere/at-all"): ENOENT\nhint: ');
      });

      test("a name that no directory of PATH has is 127", async () => {
        expect((await run([], ["no-such-program-here"])).status).toBe(127);
      });

      test("a program that may not be executed is 126", async () => {
        const { status, stderr } = await run([], ["/etc/passwd"]);
        expect([status, stderr]).toEqual([126, expect.stringContaining("EACCES")]);
      });

      test("a working directory that is not there is 125", async () => {
        const { status, stderr } = await run(["-w", "/nowhere"], ["true"]);
        expect([status, stderr]).toEqual([125, expect.stringContaining("workdir.enter: chdir")]);
      });
    });

    test(`arguments arrive as they are, ${way}`, async () => {
      const words = ["", "a b", "--", "-x", "$HOME", "ä€😀", "x".repeat(100_000)];
      const { stdout } = await run([], ["printf", "%s\\n", ...words]);
      expect(stdout).toBe(words.map((word) => `${word}\n`).join(""));
    });
  }

  test("an argument other than the last time is not the last time's", async () => {
    for (const word of ["one", "two", "three"]) expect((await run([], ["echo", word])).stdout).toBe(`${word}\n`);
  });

  test("the environment is not ours, but what is given", async () => {
    const { stdout } = await run(["-e", "A=1", "-e", "HERE"], ["env"], {
      env: { HERE: "there", SECRET: "x", TERM: "dumb" },
    });
    expect(stdout.trimEnd().split("\n").sort()).toEqual([
      "A=1",
      "HERE=there",
      expect.stringMatching(/^HOME=/),
      expect.stringMatching(/^PATH=\/usr/),
    ]);
  });

  test("--env-file and --clear-env: these variables and no other", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tele-env-"));
    try {
      const file = join(folder, "env");
      writeFileSync(file, "# comment\nA=1\nB=two words\n");
      expect((await run(["--clear-env", "--env-file", file], ["/usr/bin/env"])).stdout).toBe("A=1\nB=two words\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("working directory, host name, user and session are as asked", async () => {
    const { stdout } = await sh("pwd; hostname; id -u; id -g; ps -o sid= -p $$ 2>/dev/null | tr -d ' '", [
      "--chdir",
      "/tmp",
      "--hostname",
      "box",
      "--uid",
      "1234",
      "--gid",
      "4321",
    ]);
    expect(stdout.split("\n").slice(0, 4)).toEqual(["/tmp", "box", "1234", "4321"]);
  });

  test("a tmpfs, a bind mount and a read-only one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tele-bind-"));
    try {
      chmodSync(folder, 0o755);
      writeFileSync(join(folder, "in"), "content");
      const flags = ["--bind", folder, "/tmp/w", "--ro-bind", `${folder}:/tmp/r`, "--tmpfs", "/tmp/t:size=1Mi"];
      const { stdout, stderr, status } = await sh(
        "cat /tmp/r/in; echo new > /tmp/w/out && echo written; (echo x > /tmp/r/no) 2>/dev/null || echo read-only; : > /tmp/t/x && echo fresh",
        flags,
      );
      expect([stderr, stdout, status]).toEqual(["", "contentwritten\nread-only\nfresh\n", 0]);
      expect(readFileSync(join(folder, "out"), "utf8")).toBe("new\n");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("--ulimit and --nofile hold", async () => {
    expect((await sh("ulimit -n; ulimit -c", ["--nofile", "77", "--ulimit", "core=0"])).stdout).toBe("77\n0\n");
  });

  describe("streams", () => {
    test("a gigabyte through cat is the same gigabyte", async () => {
      const size = 2 ** 30;
      const child = startTele(["run", "--", "cat"], ["pipe", "pipe", "inherit"]);
      const sent = createHash("sha1");
      const got = createHash("sha1");
      let length = 0;
      const block = Buffer.alloc(2 ** 20, "tele run: a block of a megabyte; ");
      const feeding = (async () => {
        for (let left = size; left > 0; left -= block.length) {
          block.writeUInt32LE(left >>> 0, 0);
          const piece = Buffer.from(block);
          sent.update(piece);
          if (child.stdin?.write(piece) === false) await new Promise((go) => child.stdin?.once("drain", go));
        }
        child.stdin?.end();
      })();
      child.stdout?.on("data", (chunk: Buffer) => {
        got.update(chunk);
        length += chunk.length;
      });
      const status = await new Promise((done) => child.on("close", done));
      await feeding;
      expect([status, length, got.digest("hex")]).toEqual([0, size, sent.digest("hex")]);
    });

    test("stdout and stderr are apart, and in files too", async () => {
      const ran = await sh("echo out; echo err >&2");
      expect(ran).toMatchObject({ status: 0, stdout: "out\n", stderr: "err\n" });
      const folder = mkdtempSync(join(tmpdir(), "tele-file-"));
      const file = openSync(join(folder, "o"), "w");
      try {
        const child = startTele(["run", "--", "echo", "kept"], ["ignore", file, "ignore"]);
        await ended(child);
        expect(readFileSync(join(folder, "o"), "utf8")).toBe("kept\n");
      } finally {
        closeSync(file);
        rmSync(folder, { recursive: true });
      }
    });

    test("a reader that goes away is SIGPIPE to the command, as in a shell", async () => {
      const child = spawn("sh", ["-c", `"$0" run -- yes | head -1; echo done`, BINARY], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      const { stdout, status } = await ended(child);
      expect([stdout, status]).toEqual(["y\ndone\n", 0]);
    });

    test("a closed standard input is an empty one", async () => {
      const child = spawn("sh", ["-c", `"$0" run -- wc -c <&-`, BINARY], { stdio: ["ignore", "pipe", "pipe"] });
      expect((await ended(child)).status).toBeNumber();
    });
  });

  describe("bad input is refused before anything starts", () => {
    for (const [flags, faults] of [
      [
        ["--bind", "/nowhere:/tmp/x", "--tmpfs", "/proc/x", "--user", "nobody-has-this-name"],
        ["/nowhere", "/proc", "no such user"],
      ],
      [["--cap-add", "NO_SUCH_CAP"], ["NO_SUCH_CAP"]],
      [["--bind", "relative:/tmp/x"], ["relative"]],
      [["--ulimit", "nosuch=1"], ["nosuch"]],
      [
        ["--share-net", "--unshare-net"],
        ["--share-net", "contradicts"],
      ],
      [["--seccomp", "/nowhere.json"], ["/nowhere.json"]],
      [["--profile", "stern"], ["stern"]],
      [
        ["-w", "relative", "--bind", "/nowhere", "/tmp/x"],
        ["--workdir", "absolute", "/nowhere"],
      ],
      [
        ["--timeout", "soon"],
        ["--timeout", "soon"],
      ],
      [
        ["--stop-grace", "never"],
        ["--stop-grace", "never"],
      ],
      [["--hostname", "-bad-"], ["--hostname"]],
      [["--no-such-flag"], ["--no-such-flag"]],
    ] as const)
      test(flags.join(" "), async () => {
        const folder = mkdtempSync(join(tmpdir(), "tele-refused-"));
        try {
          const { status, stdout, stderr } = await run(
            [...flags, "--bind", `${folder}:/tmp/out`],
            ["touch", "/tmp/out/ran"],
          );
          expect([status, stdout]).toEqual([2, ""]);
          for (const fault of faults) expect(stderr).toContain(fault);
          expect(await Bun.file(join(folder, "ran")).exists()).toBe(false);
        } finally {
          rmSync(folder, { recursive: true });
        }
      });

    test("no command, a forgotten --, a server", async () => {
      expect((await tele(["run"])).stderr).toContain("needs a command to run");
      expect((await tele(["run", "ls"])).stderr).toContain("put -- before the command: tele run -- ls");
      const { status, stderr } = await run(["--host", "example.net"], ["ls", "-l"]);
      expect([status, stderr]).toEqual([2, expect.stringContaining("tele start --host example.net -- ls -l")]);
      expect((await run(["--curl"], ["ls"])).stderr).toContain("asks no server");
    });
  });

  describe("tele plan", () => {
    test("shows what holds, what does not and why, and every step, and starts nothing", async () => {
      const { status, stdout } = await tele(["plan", "--profile", "strict", "--", "/nowhere"]);
      expect(status).toBe(0);
      for (const text of [
        "profile         strict",
        "Held:",
        "Not held:",
        "not asked for",
        'execve("/nowhere", ["/nowhere"]',
        "pivot.swap",
        "calls",
      ])
        expect(stdout).toContain(text);
    });

    test("--json is the same as data, --filter the whole filter", async () => {
      const plan = JSON.parse((await tele(["plan", "--json", "--user", "33", "--", "true"])).stdout) as Record<
        string,
        unknown
      >;
      expect(plan).toMatchObject({
        identity: { uid: 33 },
        policy: { profile: "default" },
        enforced: { seccomp: { by: "kernel" } },
      });
      expect(plan["program"]).toContainEqual(expect.stringContaining("workload.fork"));
      const filter = JSON.parse((await tele(["plan", "--filter", "--", "true"])).stdout) as Record<string, unknown>;
      expect(filter).toMatchObject({ otherwise: "ENOSYS", rules: expect.any(Array) });
    });

    test("refuses what run refuses", async () => {
      expect((await tele(["plan", "--bind", "/nowhere:/tmp/x", "--", "true"])).status).toBe(2);
    });
  });
}
