// Starts that fail: the right step is blamed, nothing runs and nothing stays open; and starts that do not.
import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { CLONE } from "#ffi/abi/clone.ts";
import { RLIMIT, rlimit } from "#ffi/abi/resource.ts";
import { call, must, scratch, SystemError } from "#ffi/call.ts";
import { mappingNamespace } from "#host/mapping-namespace.ts";
import type { Program } from "#program/step.ts";
import { listenerSockets } from "#runtime/call-listener.ts";
import { launch } from "#runtime/launch.ts";
import { mapsOf } from "#spec/facts.ts";
import { holdings, openSandbox, runSandbox, type SandboxOptions } from "#test/support/sandbox.ts";

// Not below /tmp, which is the job's own inside.
const folder = mkdtempSync("/var/tmp/tele-launch-");
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true }));

/** A file or directory for jobs to stumble over. */
function place(name: string, mode: number, text?: string): string {
  const path = join(folder, name);
  if (text === undefined) mkdirSync(path);
  else writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const somebody: SandboxOptions = { identity: { uid: 1234, gid: 1234 } };

describe("a workload that cannot begin blames", () => {
  const closed = place("closed", 0o700);
  const plain = place("plain", 0o644, "text");
  const odd = place("odd", 0o755, "not a program of any kind");
  const scriptOf = place("script", 0o755, "#!/nowhere/interpreter\n");
  const bin = place("bin", 0o755);
  const other = place("other", 0o755);
  writeFileSync(join(bin, "tool"), "");
  symlinkSync("loop", join(other, "loop"));

  const cases: Readonly<Record<string, [Parameters<typeof runSandbox>[0], SandboxOptions, string]>> = {
    "a directory that is not there": [{ command: ["/bin/true"], workdir: "/nowhere" }, {}, "workdir.enter ENOENT"],
    "a directory that is a file": [{ command: ["/bin/true"], workdir: plain }, {}, "workdir.enter ENOTDIR"],
    "a directory that its user may not enter": [
      { command: ["/bin/true"], workdir: closed },
      somebody,
      "workdir.enter EACCES",
    ],
    "a command that is not there": [{ command: ["/nowhere/tool"] }, {}, "workload.exec ENOENT"],
    "a command that is nowhere in PATH": [{ command: ["no-such-tool"] }, {}, "workload.exec ENOENT"],
    "a command that is there and not executable": [
      { command: ["tool"], env: { PATH: `/nowhere:${bin}:/bin` } },
      {},
      "workload.retry-2 EACCES",
    ],
    "a command that is there and not executable, last in PATH": [
      { command: ["tool"], env: { PATH: `/bin:${bin}` } },
      {},
      "workload.exec EACCES",
    ],
    "a command that is a file without the bit": [{ command: [plain] }, {}, "workload.exec EACCES"],
    "a command that is a directory": [{ command: [folder] }, {}, "workload.exec EACCES"],
    "a command that is no program": [{ command: [odd] }, {}, "workload.exec ENOEXEC"],
    "a script without its interpreter": [{ command: [scriptOf] }, {}, "workload.exec ENOENT"],
    "a command that leads in circles": [{ command: [`${other}/loop`] }, {}, "workload.exec ELOOP"],
  };
  for (const [what, [spec, options, expected]] of Object.entries(cases)) {
    test(what, async () => {
      const lived = await runSandbox(spec, options);
      expect(`${lived.blame?.step} ${lived.blame?.errno}`).toBe(expected);
      expect(lived).toMatchObject({ out: "", err: "", status: 125 });
      expect(lived.messages[0]?.kind).toBe("failed");
    });
  }
});

describe("a step that fails is the one to blame", () => {
  /** The program with one call that cannot succeed in the place of another. */
  const broken = (label: string) => ({
    change: (program: Program): Program => ({
      ...program,
      steps: program.steps.map((step) =>
        step.label === label ? { label: step.label, call: "close" as const, args: [-1] } : step,
      ),
    }),
  });

  for (const label of [
    "tether.name",
    "root.clone",
    "pivot.swap",
    "dev.pts",
    "proc.mount",
    "pivot.detach",
    "workload.fork",
  ]) {
    test(`${label}, before the fork: the tether leaves at once`, async () => {
      const sandbox = openSandbox({ command: ["/bin/echo", "ran"] }, broken(label));
      expect(await sandbox.left()).toBe(125);
      expect(sandbox.blame()).toEqual({ step: label, call: "close", errno: "EBADF" });
      expect(sandbox.messages().length).toBe(1);
      expect(sandbox.output()).toEqual({ out: "", err: "" });
      expect(sandbox.record()).toBeUndefined();
      await sandbox.close();
    });
  }

  for (const label of [
    "cgroup.unshare",
    "hostname.set",
    "workload.session",
    "signals.unblock",
    "identity.uid",
    "privileges.lock",
  ]) {
    test(`${label}, after the fork: the workload never was`, async () => {
      const lived = await runSandbox({ command: ["/bin/echo", "ran"] }, broken(label));
      expect(lived.blame).toEqual({ step: label, call: "close", errno: "EBADF" });
      expect(lived).toMatchObject({ out: "", err: "", status: 125, record: { exitCode: 125 } });
    });
  }
});

describe("no descriptor of the tether's is a way out for a working directory (CVE-2024-21626)", () => {
  const bind = (source: string, target: string) => ({ type: "bind" as const, source, target, readOnly: true });
  const specs: Readonly<Record<string, Omit<Parameters<typeof runSandbox>[0], "command">>> = {
    "in the host's tree": { mounts: [bind("/usr/lib", "/tmp/a"), bind("/usr/bin", "/tmp/b")] },
    "in an empty root": { root: { type: "empty" }, mounts: [bind("/usr/lib", "/a"), bind("/usr/bin", "/b/c")] },
    "where denials are reported": { mounts: [bind("/usr/lib", "/tmp/a")], security: { reportDenied: true } },
  };
  for (const [where, spec] of Object.entries(specs)) {
    test(where, async () => {
      const idmap = mappingNamespace(mapsOf({ start: 2 ** 31, count: 65_536 }));
      const { ours, theirs } = listenerSockets();
      const request: SandboxOptions["request"] = (asked) => ({ ...asked, idmap, listener: theirs });
      const entered: string[] = [];
      for (let fd = 0; fd < 40; fd++) {
        const lived = await runSandbox(
          { ...spec, command: ["/bin/true"], workdir: `/proc/self/fd/${fd}` },
          { request },
        );
        if (lived.blame?.step !== "workdir.enter") entered.push(`${fd}: ${lived.blame?.step}`);
      }
      for (const one of [idmap, ours, theirs]) call("close", one);
      expect(entered).toEqual([]);
    });
  }
});

test("a command of a megabyte of arguments runs", async () => {
  const argument = "x".repeat(120_000);
  const words = Array.from({ length: 8 }, () => argument);
  const lived = await runSandbox({ command: ["/bin/sh", "-c", 'echo $# ${#1} "$#$8" | head -c 20', "sh", ...words] });
  expect(lived.blame).toBeUndefined();
  expect(lived.out).toBe("8 120000 8xxxxxxxxxx");
});

describe("nothing stays open, waits to be reaped or is mounted", () => {
  test("after 200 launches", async () => {
    await runSandbox({ command: ["/bin/true"] });
    const before = holdings();
    for (let index = 0; index < 200; index++)
      expect((await runSandbox({ command: ["/bin/true"] })).record).toMatchObject({ exitCode: 0 });
    expect(holdings()).toEqual(before);
  }, 60_000);

  test("after launches whose programs fail", async () => {
    await runSandbox({ command: ["/nowhere"] });
    const before = holdings();
    for (let index = 0; index < 20; index++) {
      expect((await runSandbox({ command: ["/nowhere"] })).status).toBe(125);
      expect((await runSandbox({ command: ["/bin/true"], workdir: "/nowhere" })).status).toBe(125);
    }
    expect(holdings()).toEqual(before);
  });

  const refused: Readonly<Record<string, [SandboxOptions["request"], string]>> = {
    "a record that is closed": [(request) => ({ ...request, record: 999 }), "(fcntl|dup3): EBADF"],
    "an input that is closed": [(request) => ({ ...request, stdin: 999 }), "(fcntl|dup3): EBADF"],
    "a cgroup that is closed": [(request) => ({ ...request, cgroup: [999] }), "(fcntl|dup3): EBADF"],
    "flags that exclude each other": [
      // CLONE_NEWNS and CLONE_FS (clone(2)).
      (request) => ({ ...request, namespaces: request.namespaces | CLONE.FS }),
      "clone3: EINVAL",
    ],
    "a tether that is no program": [
      (request) => ({ ...request, tether: new TextEncoder().encode("no program") }),
      "execveat: ENOEXEC",
    ],
  };
  for (const [what, [request, message]] of Object.entries(refused)) {
    test(`after launches with ${what}`, () => {
      const before = holdings();
      for (let index = 0; index < 20; index++)
        expect(() => openSandbox({ command: ["/bin/true"] }, request ? { request } : {})).toThrow(
          new RegExp(`^${message}$`),
        );
      expect(holdings()).toEqual(before);
    });
  }

  test("after launches into namespaces that are not their own, which are refused before anything is made", () => {
    const before = holdings();
    for (const namespaces of [0, CLONE.NEWPID, CLONE.NEWNS, CLONE.NEWNET | CLONE.NEWUTS]) {
      // Were it not refused: eight zeros are no program.
      const request = { tether: new Uint8Array(8), namespaces, record: 999, stdin: 999, cgroup: [] };
      expect(() => launch(request)).toThrow(/EINVAL|EBADF/);
    }
    expect(holdings()).toEqual(before);
  });

  test("after launches that run out of descriptors, wherever they do", () => {
    const memory = scratch(4096);
    const record = openSync(join(folder, "record"), "w");
    const highest = Math.max(...readdirSync("/proc/self/fd").map(Number));
    const before = holdings();
    const limit = memory.room(16);
    const old = memory.room(16);
    must("prlimit64", 0, RLIMIT.NOFILE, 0, old.address);
    const hard = Number(new DataView(old.bytes.buffer, old.bytes.byteOffset).getBigUint64(8, true));
    const failures: string[] = [];
    try {
      for (let soft = 8; soft < highest + 64; soft++) {
        limit.bytes.set(rlimit(soft, hard));
        must("prlimit64", 0, RLIMIT.NOFILE, limit.address, 0);
        try {
          const request = {
            tether: new Uint8Array(8),
            namespaces: CLONE.NEWPID | CLONE.NEWNS,
            record,
            stdin: record,
            cgroup: [],
          };
          launch(request);
          throw new Error("eight zeros are no program");
        } catch (error) {
          if (!(error instanceof SystemError)) throw error;
          failures.push(error.errnoName);
        }
      }
    } finally {
      call("prlimit64", 0, RLIMIT.NOFILE, old.address, 0);
    }
    // EINVAL and EBADF: a descriptor above the limit was asked for (fcntl(2), dup(2)).
    expect(failures.filter((name) => !["EMFILE", "EINVAL", "EBADF", "ENOEXEC"].includes(name))).toEqual([]);
    expect(failures).toContain("EMFILE");
    expect(failures.at(-1)).toBe("ENOEXEC");
    expect(holdings()).toEqual(before);
    closeSync(record);
  });
});
