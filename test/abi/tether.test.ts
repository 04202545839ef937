// A whole tether on both machines: born by the shell, with its descriptors as files. QEMU's user emulation knows no
// clone3, so these programs fork with clone.
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CLONE } from "#ffi/abi/clone.ts";
import { AT } from "#ffi/abi/fcntl.ts";
import { SIG, SIG_HOW, SIGSET_SIZE } from "#ffi/abi/signal.ts";
import { aarch64 } from "#ffi/asm/aarch64.ts";
import type { Assembler } from "#ffi/asm/assembler.ts";
import { elf } from "#ffi/asm/elf.ts";
import { x86_64 } from "#ffi/asm/x86_64.ts";
import { type Architecture, hostArchitecture, SYSCALLS } from "#ffi/syscalls.ts";
import { assemble, RELEASE_SIGNAL } from "#program/assemble.ts";
import { blame, decodeMessage, decodeRecord, type ExitRecord, type Message, MESSAGE } from "#program/report.ts";
import { type Program, type Step, step } from "#program/step.ts";
import { verify } from "#program/verify.ts";
import { need, programPath } from "#test/support/needs.ts";
import { ARCHITECTURES, runner } from "./toolchain.ts";

const MAKE: Readonly<Record<Architecture, () => Assembler>> = { x86_64, aarch64 };

/** A workload of our own making: it exits with `status`, or kills itself with `-status`. */
function workload(architecture: Architecture, status: number): Uint8Array {
  const asm = MAKE[architecture]();
  const call = (name: "getpid" | "kill" | "exit_group", ...values: number[]): void =>
    asm.syscall(
      SYSCALLS[name][architecture],
      values.map((value) => ({ kind: "immediate", value })),
    );
  if (status < 0) {
    call("getpid");
    asm.store(0);
    asm.syscall(SYSCALLS.kill[architecture], [
      { kind: "value", offset: 0 },
      { kind: "immediate", value: -status },
    ]);
  }
  call("exit_group", status < 0 ? 99 : status);
  return elf({ architecture, code: asm.finish(), data: new Uint8Array(8), bss: 0 });
}

interface Life {
  readonly messages: readonly Message[];
  readonly record: ExitRecord | undefined;
  /** How the tether itself left. */
  readonly status: number | null;
}

/** Runs a program as PID 1 of a new pid namespace, by unshare(1): its tether kills every process that it sees. */
async function live(architecture: Architecture, status: number, steps: (words: string[]) => Step[]): Promise<Life> {
  need("root", "unshare");
  const folder = mkdtempSync(join(tmpdir(), "tele-tether-"));
  const path = (name: string): string => join(folder, name);
  const emulator = runner(architecture).map((name) => programPath(name) ?? name);
  writeFileSync(path("workload"), workload(architecture, status));
  // execve under emulation goes to this machine's kernel: the workload brings its own emulator.
  const program: Program = verify({
    namespaces: CLONE.NEWPID | CLONE.NEWNS,
    keeper: "daemon",
    steps: steps([...emulator, path("workload")]),
  });
  writeFileSync(path("tether"), assemble(program, architecture));
  for (const name of ["workload", "tether"]) chmodSync(path(name), 0o755);
  const report = openSync(path("report"), "a");
  const record = openSync(path("record"), "w");
  const words = ["--pid", "--mount", "--fork", "--kill-child", ...emulator, path("tether")];
  const child = spawn("unshare", words, { stdio: ["ignore", "ignore", "ignore", report, record] });
  const left = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", resolve);
  });
  const messages = (): Message[] => {
    const bytes = new Uint8Array(readFileSync(path("report")));
    const whole = Array.from({ length: bytes.length / MESSAGE.size }, (_, index) =>
      decodeMessage(bytes.subarray(index * MESSAGE.size)),
    );
    expect(whole).not.toContain(undefined);
    return whole as Message[];
  };
  try {
    const deadline = performance.now() + 20_000;
    const ended = (): boolean => messages().some(({ kind }) => kind === "ended");
    while (child.exitCode === null && !ended() && performance.now() < deadline) await pause(5);
    if (child.exitCode === null) {
      const tether = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim());
      // QEMU leaves the first two real-time signals to the C library: the guest's 40 is the host's 42.
      process.kill(tether, RELEASE_SIGNAL + (architecture === hostArchitecture() ? 0 : 2));
    }
    return { messages: messages(), status: await left, record: decodeRecord(readFileSync(path("record"))) };
  } finally {
    child.kill("SIGKILL");
    closeSync(report);
    closeSync(record);
    rmSync(folder, { recursive: true });
  }
}

const everything = new Uint8Array(SIGSET_SIZE).fill(0xff);
const fork = (extra: readonly Step[] = []) => {
  return (words: string[]): Step[] => [
    // The launch routine does this where tele itself starts a tether.
    step("signals.block", "rt_sigprocmask", [SIG_HOW.SETMASK, everything, 0, SIGSET_SIZE]),
    step("workload.fork", "clone", [CLONE.VFORK | SIG.CHLD, 0, 0, 0, 0], { forks: true }),
    step("signals.unblock", "rt_sigprocmask", [SIG_HOW.SETMASK, new Uint8Array(SIGSET_SIZE), 0, SIGSET_SIZE]),
    ...extra,
    step("workload.exec", "execve", [words[0] ?? "", { vector: words }, { vector: [] }]),
  ];
};

for (const architecture of ARCHITECTURES) {
  test(`${architecture}: a tether tells of start and end, records the status and leaves with it`, async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const { messages, record, status } = await live(architecture, 7, fork());
    expect(messages.map(({ kind }) => kind)).toEqual(["started", "ended"]);
    expect(record).toMatchObject({ exitCode: 7, coreDumped: false });
    expect(record?.signal).toBeUndefined();
    expect(status).toBe(7);
    const { startNs = 0n, endNs = 0n } = record ?? {};
    expect(startNs).toBeGreaterThan(before - 1_000_000_000n);
    expect(endNs).toBeGreaterThanOrEqual(startNs);
    expect(endNs).toBeLessThan(startNs + 20_000_000_000n);
    expect(record?.maxRssBytes).toBeGreaterThanOrEqual(0);
  });

  test(`${architecture}: a tether records the signal that its workload died of`, async () => {
    const { record, status } = await live(architecture, -SIG.KILL, fork());
    expect(record).toMatchObject({ signal: SIG.KILL, coreDumped: false });
    expect(record?.exitCode).toBeUndefined();
    expect(status).toBe(128 + SIG.KILL);
  });

  test(`${architecture}: a step that fails in the tether is the one to blame, and nothing runs`, async () => {
    const steps = (words: string[]): Step[] => [
      step("directory.make", "mkdirat", [AT.FDCWD, "/", 0o755], { tolerate: ["ENOENT", "EEXIST"] }),
      step("directory.enter", "chdir", ["/nowhere/at/all"]),
      ...fork()(words),
    ];
    const { messages, record, status } = await live(architecture, 0, steps);
    expect(messages).toEqual([{ kind: "failed", step: 1, errno: 2 }]);
    expect(blame(steps([""]), messages[0] as Message & { kind: "failed" })).toEqual({
      step: "directory.enter",
      call: "chdir",
      errno: "ENOENT",
    });
    expect(record).toBeUndefined();
    expect(status).toBe(125);
  });

  test(`${architecture}: a step that fails in the workload's process is the one to blame`, async () => {
    const steps = fork([
      step("slots.save", "openat", [AT.FDCWD, "/", 0, 0], { save: "root" }),
      step("slots.use", "fchdir", [{ slot: "root" }]),
      step("rounds.all", "close", [{ round: true }], { each: { first: 900, last: 910 }, tolerate: ["EBADF"] }),
      step("rounds.one", "prctl", [{ round: true }, 0, 0, 0, 0], { each: { first: 3, last: 900 } }),
    ]);
    const { messages, record, status } = await live(architecture, 0, steps);
    const failure = messages.find((message) => message.kind === "failed");
    expect(blame(steps([""]), failure ?? { step: -1, errno: 0 })).toMatchObject({
      step: "rounds.one",
      call: "prctl",
      errno: "EINVAL",
    });
    // The tether goes on: the process that was to be the workload is gone with 125.
    expect(messages.map(({ kind }) => kind).sort()).toEqual(["ended", "failed", "started"]);
    expect(record).toMatchObject({ exitCode: 125 });
    expect(status).toBe(125);
  });
}
