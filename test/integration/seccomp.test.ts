// The kernel takes our filters and decides as they say; ordinary programs do not notice them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callName, callNames, callNumber } from "#ffi/abi/syscall-numbers.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { compile } from "#program/seccomp/compile.ts";
import { type Filter, outcome } from "#program/seccomp/filter.ts";
import { fromOci, toOci } from "#program/seccomp/oci.ts";
import { profileFilter } from "#program/seccomp/profiles.ts";
import { TETHER_FILTER } from "#program/seccomp/tether.ts";
import { need, programPath } from "#test/support/needs.ts";
import { projectRoot } from "#test/support/sources.ts";

const architecture = hostArchitecture();
const SIGSYS = 31;
const profiles = {
  strict: profileFilter("strict", []),
  default: profileFilter("default", []),
  dev: profileFilter("dev", []),
} as const;

let folder = "";
let program = "";

beforeAll(() => {
  need("gcc", "curl");
  folder = mkdtempSync(join(tmpdir(), "tele-seccomp-"));
  program = join(folder, "under-filter");
  const source = join(projectRoot, "test/integration/seccomp/under-filter.c");
  const { status, stderr } = spawnSync("gcc", ["-O1", "-Wall", "-Werror", "-o", program, source], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(filter: Filter | undefined): string {
  const file = join(folder, "filter");
  writeFileSync(file, filter ? compile(filter, architecture) : "");
  return file;
}

/** A call by name or number, and its arguments. */
type Attempt = readonly [call: string | number, ...args: (number | bigint)[]];

const numberOf = ([call]: Attempt): number =>
  typeof call === "number" ? call : (callNumber(call, architecture) ?? -1);

/** What comes of calls under a filter: `ok`, `errno N` or `signal N` each. */
function attempt(filter: Filter | undefined, calls: readonly (Attempt | string)[]): string[] {
  const input = calls.map((call) => {
    if (typeof call === "string") return call;
    const args = call.slice(1).map((value) => BigInt.asUintN(64, BigInt(value)));
    return [numberOf(call), ...Array.from({ length: 6 }, (_, index) => args[index] ?? 0n)].join(" ");
  });
  const { stdout, stderr, status } = spawnSync(program, [fileOf(filter)], {
    input: `${input.join("\n")}\n`,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return stdout.trimEnd().split("\n");
}

/** Runs a command under a filter. */
function runUnder(filter: Filter, command: readonly string[]) {
  const { status, signal, stdout, stderr } = spawnSync(program, [fileOf(filter), "--", ...command], {
    encoding: "utf8",
    cwd: folder,
    timeout: 60_000,
  });
  return { ended: signal ?? status, stdout, stderr };
}

describe("every call that a profile refuses, the kernel refuses with the same error", () => {
  // Arguments that make each of them fail at once if a filter should let it through; vhangup takes none.
  const wrong = Array<bigint>(6).fill(0xffff_ffff_ffff_ffffn);
  for (const [name, filter] of Object.entries(profiles))
    test(name, () => {
      const refused = [...callNames(architecture), undefined].flatMap((call) => {
        const action = outcome(filter, call, wrong);
        return typeof action === "string" || call === "vhangup" ? [] : [{ call, errno: action.errno }];
      });
      expect(refused.length).toBeGreaterThan(20);
      const answers = attempt(
        filter,
        refused.map(({ call }): Attempt => [call ?? 500, ...wrong]),
      );
      expect(answers).toEqual(refused.map(({ errno }) => `errno ${errno}`));
    });
});

describe("arguments decide", () => {
  const NEWUSER = 0x1000_0000;
  const calls: readonly Attempt[] = [
    ["ioctl", -1, 0x5412],
    ["ioctl", -1, 0x1_0000_5412n],
    ["ioctl", -1, 0xffff_ffff_0000_541cn],
    ["ioctl", -1, 0x5423],
    ["ioctl", -1, 0x5413],
    ["clone", NEWUSER | 17],
    ["clone", 0x2_0000 | 17],
    ["clone", 0x4000_0000 | 17],
    ["clone", 17],
    ["clone3", 0, 0],
    ["unshare", NEWUSER],
    ["unshare", 0x80],
    ["unshare", 0x200],
    ["personality", 0xffff_ffff],
    ["personality", 0x40_0000],
    ["personality", 0x4_0000],
    ["prlimit64", 1, 7, 0, 0],
    ["prlimit64", 0x7_0000_0001n, 7, 0, 0],
    ["prlimit64", 0, 7, 0, 0],
    ["setpriority", 0, 1, 0],
    ["setpriority", 0, 0, 19],
    ["sched_setaffinity", 1, 0, 0],
    ["socket", 1, 1, 0],
    ["socket", 2, 1, 0],
    ["socket", 2, 1, 132],
    ["socket", 16, 3, 0],
    ["socket", 16, 3, 12],
    ["socket", 38, 5, 0],
    ["socket", 40, 1, 0],
    ["socketpair", 1, 1, 0, 0],
    ["socketpair", 2, 1, 0, 0],
    ["memfd_create", 0, 1],
    ["ptrace", 99, 0, 0, 0],
    ["seccomp", 1, 8, 0],
  ];

  for (const [name, filter] of Object.entries(profiles))
    test(`${name}: what is refused gets its error, what is allowed the kernel's own`, () => {
      const without = attempt(undefined, calls);
      const right = calls.map((call, index) => {
        const action = outcome(
          filter,
          callName(numberOf(call), architecture),
          call.slice(1).map((one) => BigInt.asUintN(64, BigInt(one))),
        );
        return typeof action === "object" ? `errno ${action.errno}` : without[index];
      });
      const answers = attempt(filter, calls);
      expect(calls.map((call, index) => [...call, answers[index]])).toEqual(
        calls.map((call, index) => [...call, right[index]!]),
      );
    });
});

describe("other doors are closed", () => {
  if (architecture === "x86_64")
    test("i386 kills, x32 is unknown", () => {
      // getpid, execve and mount of i386.
      const i386 = ["i386 20", "i386 11", "i386 21"];
      for (const filter of Object.values(profiles)) {
        expect(attempt(filter, i386)).toEqual(i386.map(() => `signal ${SIGSYS}`));
        expect(attempt(filter, [[0x4000_0000 + 39], [0x4000_0000 + 165], [520], [-1 >>> 0]])).toEqual(
          Array(4).fill("errno 38"),
        );
      }
    });

  test("the tether's filter kills whatever the tether does not do", () => {
    const calls: readonly Attempt[] = [
      ["open"],
      ["openat"],
      ["kill", 1, 9],
      ["kill", -1, 0],
      ["fork"],
      ["clone", 17],
      ["mmap"],
      ["execve"],
      ["socket"],
      [500],
    ];
    const there = calls.filter((call) => numberOf(call) >= 0);
    expect(attempt(TETHER_FILTER, there)).toEqual(there.map(() => `signal ${SIGSYS}`));
    expect(attempt(TETHER_FILTER, [["getpid"], ["waitid", 9, 0, 0, 4], ["write", -1, 0, 0]])).toEqual([
      "ok",
      "errno 22",
      "errno 9",
    ]);
  });
});

describe("ordinary programs run", () => {
  const hello =
    '#include <stdio.h>\\n#include <pthread.h>\\nvoid *f(void *p) { puts("thread"); return p; }\\n' +
    "int main(void) { pthread_t t; return pthread_create(&t, 0, f, 0) || pthread_join(t, 0); }\\n";
  const programs: Readonly<Record<string, readonly [command: string[], says: RegExp]>> = {
    sh: [["sh", "-c", "printf '%s\\n' c a b | sort | tr a-c A-C; (sleep 0 & wait); kill -0 $$"], /^A\nB\nC\n$/],
    ls: [["ls", "-la", "/", "/proc/self/"], /status/],
    find: [["sh", "-c", "mkdir -p t/u && touch t/u/f && mv t/u/f t/g && find t && rm -r t"], /t\/g/],
    curl: [["curl", "--version"], /^curl /],
    "curl of a file": [["curl", "-sS", "file:///etc/passwd"], /root/],
    gcc: [["sh", "-c", `printf '${hello}' > hello.c && gcc -pthread -o hello hello.c && ./hello`], /^thread\n$/],
    python3: [
      [
        "python3",
        "-c",
        "import subprocess, threading, tempfile, socket, ssl; threading.Thread(target=print, args=('t',)).start(); print(subprocess.check_output(['echo', 'x']), socket.if_nameindex())",
      ],
      /b'x\\n'.*lo/,
    ],
    node: [
      [
        "node",
        "-e",
        "console.log(os.networkInterfaces() && 7); new Worker(';', { eval: true })".replace(
          /^/,
          "const { Worker } = require('worker_threads'), os = require('os'); ",
        ),
      ],
      /^7\n$/,
    ],
    tar: [["sh", "-c", "tar -cf - /etc/passwd 2>/dev/null | tar -tf -"], /etc\/passwd/],
  };
  for (const name of ["strict", "default", "dev"] as const)
    test(name, () => {
      const there = Object.entries(programs).filter(([, [command]]) => programPath(command[0]!) !== undefined);
      expect(there.length).toBeGreaterThanOrEqual(6);
      for (const [what, [command, says]] of there) {
        const { ended, stdout, stderr } = runUnder(profiles[name], command);
        expect({ what, ended, stderr }).toEqual({ what, ended: 0, stderr: "" });
        expect(stdout).toMatch(says);
      }
    }, 120_000);
});

test("a filter that was learnt lets its program run, and no other", () => {
  const calls = callNames(architecture).filter((name) => !["mkdir", "mkdirat"].includes(name));
  const filter = fromOci(toOci(calls));
  expect(runUnder(filter, ["ls", "/"]).ended).toBe(0);
  const { ended, stderr } = runUnder(filter, ["mkdir", "made"]);
  expect(ended).toBe(1);
  expect(stderr).toContain("Function not implemented");
});
