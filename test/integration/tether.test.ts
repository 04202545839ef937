// The tether on this kernel: it reports every end truthfully, leaves nothing behind, and stays until it is released.
import { afterEach, describe, expect, test } from "bun:test";
import { SIG } from "#ffi/abi/signal.ts";
import { RELEASE_SIGNAL } from "#program/assemble.ts";
import { openSandbox, runSandbox, type Sandbox, type SandboxOptions } from "#test/support/sandbox.ts";

const open: Sandbox[] = [];
afterEach(async () => {
  for (const sandbox of open.splice(0)) await sandbox.close();
});

/** A sandbox of a shell script that is closed when the test is over. */
function start(script: string, options: SandboxOptions = {}): Sandbox {
  const sandbox = openSandbox({ command: ["/bin/bash", "-c", script] }, options);
  open.push(sandbox);
  return sandbox;
}

const run = (script: string, options: SandboxOptions = {}) =>
  runSandbox({ command: ["/bin/bash", "-c", script] }, options);

describe("the end", () => {
  test("of a workload that exits is its status", async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    for (const exitCode of [0, 1, 42, 255]) {
      const lived = await run(`echo out; echo err >&2; exit ${exitCode}`);
      expect(lived).toMatchObject({ out: "out\n", err: "err\n", status: exitCode, blame: undefined });
      expect(lived.messages.map(({ kind }) => kind)).toEqual(["started", "ended"]);
      expect(lived.record).toMatchObject({ exitCode, coreDumped: false });
      expect(lived.record).not.toHaveProperty("signal");
      const { startNs = 0n, endNs = 0n } = lived.record ?? {};
      // One millisecond for the clock of this process, which is read in those.
      expect([startNs > before - 1_000_000n, endNs >= startNs]).toEqual([true, true]);
      expect(endNs <= BigInt(Date.now() + 1) * 1_000_000n).toBe(true);
    }
  });

  test("of a workload that a signal kills is that signal", async () => {
    for (const name of ["KILL", "TERM", "SEGV", "PIPE", "USR1"] as const) {
      const lived = await run(`kill -${name} $$; exit 3`);
      expect(lived.record).toMatchObject({ signal: SIG[name] });
      expect(lived.record).not.toHaveProperty("exitCode");
      expect(lived.status).toBe(128 + SIG[name]);
    }
  });

  test("of a workload that ignores TERM comes with KILL", async () => {
    const sandbox = start("trap '' TERM; while echo tick; do sleep 0.01; done");
    await sandbox.wrote("tick");
    expect(sandbox.signalMain(SIG.TERM)).toBe(0);
    // What it writes after the signal shows that it outlived it.
    await sandbox.wrote(`${sandbox.output().out}tick\ntick`);
    expect(sandbox.messages().map(({ kind }) => kind)).toEqual(["started"]);
    expect(sandbox.signalMain(SIG.KILL)).toBe(0);
    await sandbox.said("ended");
    expect(sandbox.record()).toMatchObject({ signal: SIG.KILL });
  });

  test("of PID 1 is everybody's, and leaves no record that would have to be invented", async () => {
    const sandbox = start("setsid sleep 1000 & setsid sleep 1000 & echo ready; wait");
    await sandbox.wrote("ready");
    expect(sandbox.inside().length).toBe(4);
    sandbox.signalTether(SIG.KILL);
    expect(await sandbox.left()).toBe(128 + SIG.KILL);
    expect(sandbox.inside()).toEqual([]);
    expect(sandbox.record()).toBeUndefined();
    expect(sandbox.messages().map(({ kind }) => kind)).toEqual(["started"]);
  });

  test("counts what children and orphans used", async () => {
    const { record } = await run(
      "(for ((i = 0; i < 200000; i++)); do :; done) & wait; (head -c 30M /dev/zero | tail -c 1 >/dev/null)",
    );
    expect(record?.userUs).toBeGreaterThan(50_000);
    expect(record?.maxRssBytes).toBeGreaterThan(2 ** 20);
  });
});

describe("nobody is left", () => {
  const alone = (sandbox: Sandbox) => expect(sandbox.inside()).toEqual([sandbox.launched.pid]);

  test("of daemons, double-forked, in sessions of their own, deaf to every signal", async () => {
    const sandbox = start(
      "for i in 1 2 3; do (setsid bash -c 'trap \"\" TERM HUP INT QUIT; echo up; sleep 1000; sleep 1000' &) ; done; " +
        "while [ \"$(pgrep -fc 'trap')\" -lt 3 ]; do sleep 0.02; done; exit 9",
    );
    await sandbox.said("ended");
    alone(sandbox);
    expect(sandbox.record()).toMatchObject({ exitCode: 9 });
  });

  test("of children that fork on while they are killed", async () => {
    const sandbox = start(
      "for i in 1 2 3; do (while :; do (sleep 1 &); done) & done; " +
        "until set -- /proc/[0-9]*; (($# > 30)); do :; done; exit 4",
    );
    await sandbox.said("ended");
    alone(sandbox);
    expect(sandbox.record()).toMatchObject({ exitCode: 4 });
  });

  test("of a thousand orphans, which are reaped as they die", async () => {
    const sandbox = start(
      "for ((i = 0; i < 1000; i++)); do (: &); done; n=0; " +
        "while grep -qs '^State:.Z' /proc/[0-9]*/status && ((n++ < 500)); do :; done; " +
        "grep -ls '^State:.Z' /proc/[0-9]*/status | wc -l; echo done",
    );
    await sandbox.said("ended");
    expect(sandbox.output().out).toBe("0\ndone\n");
    alone(sandbox);
  });

  test("of a workload that kills everybody but itself", async () => {
    const { out, record } = await run("sleep 1000 & sleep 1000 & kill -9 -1; echo alive; exit 5");
    expect(out).toBe("alive\n");
    expect(record).toMatchObject({ exitCode: 5 });
  });
});

describe("the workload starts clean", () => {
  test("of signals, mask, umask, capabilities and privileges to come", async () => {
    // Ignored by this process, as a daemon under nohup(1) would have it.
    const { out } = await runSandbox({ command: ["cat", "/proc/self/status"] });
    const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(out)?.[1] ?? "missing";
    for (const name of [
      "SigPnd",
      "ShdPnd",
      "SigBlk",
      "SigIgn",
      "SigCgt",
      "CapInh",
      "CapPrm",
      "CapEff",
      "CapBnd",
      "CapAmb",
    ])
      expect([name, field(name)]).toEqual([name, "0".repeat(16)]);
    expect(field("Umask")).toBe("0022");
    expect(field("NoNewPrivs")).toBe("1");
    expect(field("Groups").trim()).toBe("");
    expect(field("Uid")).toBe("0\t0\t0\t0");
    expect(field("Gid")).toBe("0\t0\t0\t0");
  });

  test("of descriptors: the three that it has, and the one that ls opens", async () => {
    const { out } = await runSandbox({ command: ["ls", "-l", "/proc/self/fd"] });
    const names = [...out.matchAll(/ (\d+) -> (\S+)$/gm)].map(([, fd, to]) => `${fd} ${to?.replace(/\d+/g, "N")}`);
    expect(names).toEqual(["0 /dev/null", "1 pipe:[N]", "2 pipe:[N]", "3 /proc/N/fd"]);
  });

  test("of an environment that it did not ask for", async () => {
    expect((await runSandbox({ command: ["env"], env: { A: "b c" } })).out.split("\n").sort()).toEqual([
      "",
      "A=b c",
      "HOME=/root",
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]);
  });

  test("in a session of its own, with its user, groups, host name, directory and limits", async () => {
    const { out, err } = await runSandbox(
      {
        command: [
          "/bin/bash",
          "-c",
          "id -u; id -g; id -G; hostname; pwd; echo $HOME; ulimit -Sn; ulimit -Hn; cut -d' ' -f1,5,6 /proc/$$/stat; echo $$",
        ],
        hostname: "build-7",
        workdir: "/usr",
        limits: { nofile: 64 },
      },
      { identity: { uid: 1234, gid: 2345, groups: [44, 55], home: "/nowhere" }, facts: { nofileHard: 128 } },
    );
    expect(err).toBe("");
    expect(out).toBe("1234\n2345\n2345 44 55\nbuild-7\n/usr\n/nowhere\n64\n128\n2 2 2\n2\n");
  });
});

describe("the release", () => {
  /** The tether is held while it answers so, many times over. */
  function expectHeld(sandbox: Sandbox): void {
    for (let round = 0; round < 1000; round++) if (!sandbox.alive()) throw new Error(`gone in round ${round}`);
  }

  test("is waited for, then the tether leaves with the workload's status", async () => {
    const sandbox = start("exit 6");
    await sandbox.said("ended");
    expectHeld(sandbox);
    expect(sandbox.signalTether(RELEASE_SIGNAL)).toBe(0);
    expect(await sandbox.left()).toBe(6);
  });

  test("is no other signal, from outside neither", async () => {
    const sandbox = start("exit 0");
    await sandbox.said("ended");
    for (let signal = 1; signal <= 64; signal++)
      if (signal !== SIG.KILL && signal !== SIG.STOP && signal !== RELEASE_SIGNAL) sandbox.signalTether(signal);
    expectHeld(sandbox);
    sandbox.signalTether(RELEASE_SIGNAL);
    expect(await sandbox.left()).toBe(0);
  });

  const forgeries: Readonly<Record<string, string>> = {
    "sending it": `kill -${RELEASE_SIGNAL} 1; for ((i = 0; i < 100; i++)); do kill -${RELEASE_SIGNAL} 1; done`,
    "flooding PID 1 with signals": "for ((i = 0; i < 20000; i++)); do kill -TERM 1; kill -KILL 1; kill -CHLD 1; done",
    // Then the kernel has no room for the sender of the last one and delivers it as if from nobody.
    "filling the queue of signals": `n=$(ulimit -i); for ((i = 0; i <= n; i++)); do kill -41 1; done; kill -${RELEASE_SIGNAL} 1`,
    "lowering the limit of signals that PID 1 may have": `prlimit --pid 1 --sigpending=0:0; kill -${RELEASE_SIGNAL} 1`,
    "lowering the size of files that PID 1 may write": "prlimit --pid 1 --fsize=0:0",
    "writing into PID 1's descriptors": "for fd in 3 4 5 6 7 8; do echo x >/proc/1/fd/$fd; cat </proc/1/fd/$fd; done",
  };
  for (const [way, script] of Object.entries(forgeries)) {
    test(`cannot be had by ${way}; the record is written all the same`, async () => {
      const sandbox = start(`{ ${script}; } 2>/dev/null; exit 8`);
      await sandbox.said("ended");
      expectHeld(sandbox);
      expect(sandbox.messages().map(({ kind }) => kind)).toEqual(["started", "ended"]);
      expect(sandbox.record()).toMatchObject({ exitCode: 8 });
      sandbox.signalTether(RELEASE_SIGNAL);
      expect(await sandbox.left()).toBe(8);
    });
  }
});
