// What a run is learned to need is enough for the next run, and no less would be.
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { readFacts } from "#host/facts.ts";
import { RELEASE_SIGNAL } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import { foregroundCalls } from "#runtime/foreground/denials.ts";
import type { OciSeccomp } from "#spec/oci-seccomp.ts";
import type { JobSpecInput } from "#spec/schema.ts";
import { need } from "#test/support/needs.ts";
import { openSandbox, sandboxInput } from "#test/support/sandbox.ts";

interface Ran {
  readonly out: string;
  readonly err: string;
  readonly status: number;
  readonly missed: number;
  readonly learned: OciSeccomp | undefined;
  readonly denied: readonly string[] | undefined;
}

const PATIENCE_MS = 60_000;
const { waitKillable = false } = readFacts([]);

/** Runs it to its end while its calls are answered. */
async function supervised(spec: JobSpecInput, learn: boolean): Promise<Ran> {
  const input = { ...sandboxInput(spec, { facts: { waitKillable } }), learn };
  const calls = foregroundCalls(input);
  if (!calls) throw new Error("it asks for no supervisor");
  try {
    const sandbox = openSandbox(spec, {
      change: () => plan(input),
      request: (request) => ({ ...request, listener: calls.socket }),
    });
    calls.launched();
    try {
      const deadline = performance.now() + PATIENCE_MS;
      while (sandbox.alive() && !sandbox.messages().some(({ kind }) => kind === "ended")) {
        if (performance.now() > deadline) throw new Error(`no end: ${JSON.stringify(sandbox.output())}`);
        calls.ready();
        sandbox.output();
        await turn();
      }
      sandbox.signalTether(RELEASE_SIGNAL);
      const status = await sandbox.left();
      const failed = sandbox.blame();
      if (failed) throw new Error(`${failed.step}: ${failed.errno}`);
      return {
        ...sandbox.output(),
        status,
        missed: calls.missed(),
        learned: calls.learned(),
        denied: calls.denied()?.map(({ call }) => call),
      };
    } finally {
      await sandbox.close();
    }
  } finally {
    calls.close();
  }
}

const sh = (script: string): JobSpecInput => ({ command: ["/bin/sh", "-c", script], env: { LC_ALL: "C" } });

/** Learns a filter, runs under it and finds the same, with nothing denied. */
async function roundTrip(spec: JobSpecInput): Promise<readonly string[]> {
  const first = await supervised(spec, true);
  const seccomp = first.learned;
  if (!seccomp) throw new Error("nothing was learned");
  const again = await supervised({ ...spec, security: { ...spec.security, seccomp, reportDenied: true } }, false);
  expect(again.denied).toEqual([]);
  expect(again).toMatchObject({ out: first.out, err: first.err, status: first.status });
  expect(first.denied).toBeUndefined();
  return seccomp.syscalls[0]?.names ?? [];
}

const HELLO = String.raw`cd /tmp && printf '#include <stdio.h>\nint main(void) { puts("hello"); }\n' > hello.c &&
  gcc -O1 -o hello hello.c && ./hello`;
const THREADS = `
import threading, sys
found = []
lock = threading.Lock()
def work(n):
    for i in range(200):
        with lock: found.append(n)
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print(len(found))
`;

test("programs run under the filter that a run of theirs was learned to need", async () => {
  need("root", "bash", "curl", "gcc");
  const of = {
    shell: await roundTrip(sh("ls -l / | wc -l; sort /etc/passwd | head")),
    curl: await roundTrip({ command: ["curl", "--version"] }),
    gcc: await roundTrip(sh(HELLO)),
    // Its handler of SIGCHLD lets calls go on that the signal interrupts: dash's makes EINTR of them.
    forks: await roundTrip({
      command: ["bash", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do (exit $i) & done; wait; (kill -9 $$) & wait"],
    }),
    failing: await roundTrip(sh("exit 7")),
  };
  for (const names of Object.values(of))
    expect(names).toEqual(expect.arrayContaining(["execve", "exit_group", "write"]));
  expect(of.curl).not.toContain("clone");
  expect(of.shell).toContain("clone");
  expect(of.shell).not.toContain("mount");
}, 120_000);

test("python and its threads run under what they were learned to need", async () => {
  need("root");
  if (!existsSync("/usr/bin/python3")) need("python3");
  const python = (script: string): JobSpecInput => ({ command: ["/usr/bin/python3", "-c", script] });
  await roundTrip(python("import json, threading"));
  expect(await roundTrip(python(THREADS))).toContain("clone3");
}, 120_000);

test("a call that was not learned is refused with ENOSYS, and learning allows what every filter refuses", async () => {
  need("root");
  const script = `perl -e '$! = 0; my $got = syscall(250, 0, -3); my $errno = $! + 0; print(($got >= 0 ? "yes" : $errno), "\\n")'`;
  const first = await supervised(sh(script), true);
  expect(first.out).toBe("yes\n");
  const names = (first.learned?.syscalls[0]?.names ?? []).filter((name) => name !== "keyctl");
  expect(names).not.toHaveLength(0);
  const seccomp = { ...(first.learned as OciSeccomp), syscalls: [{ names, action: "SCMP_ACT_ALLOW" as const }] };
  const again = await supervised({ ...sh(script), security: { seccomp, reportDenied: true } }, false);
  expect(again).toMatchObject({ out: "38\n", denied: ["keyctl"] });
});

test("calls that signals interrupted before they were taken up are told of", async () => {
  need("root");
  // Whether one is hit is chance: most rounds have some.
  let missed = 0;
  for (let round = 0; round < 50 && missed === 0; round++) {
    const found = await supervised(
      sh("timeout -s KILL 0.2 sh -c 'while :; do (exit 1) & (exit 2) & wait; done'"),
      true,
    );
    expect(found.status).toBe(137);
    ({ missed } = found);
  }
  expect(missed).toBeGreaterThan(0);
  expect((await supervised({ command: ["/bin/true"] }, true)).missed).toBe(0);
});

test("what has no privilege lock gives its last capability up under the filter that it learned", async () => {
  need("root");
  const names = await roundTrip({ ...sh("echo here"), security: { profile: "dev" } });
  expect(names).toContain("capset");
});
