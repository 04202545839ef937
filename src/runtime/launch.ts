/**
 * From an assembled tether to a running one: descriptors, a sealed memfd, one clone3.
 *
 * The thread is blocked from clone3 until the tether's execve (CLONE_VFORK), which is mostly the kernel making a
 * network namespace. What the tether then does is told by its report pipe, which the pump reads.
 */
import { cloneArgs, CLONE, CLONE_ARGS, CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP } from "#ffi/abi/clone.ts";
import { AT, F, F_SEAL, O } from "#ffi/abi/fcntl.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { MFD } from "#ffi/abi/memfd.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { P, W } from "#ffi/abi/wait.ts";
import { call, code, must, type Scratch, scratch, SystemError } from "#ffi/call.ts";
import type { Region } from "#ffi/native.ts";
import { type CallName, hostArchitecture, SYSCALLS } from "#ffi/syscalls.ts";
import { TETHER_FD } from "#program/descriptors.ts";

/** Descriptors that the child sorts must not lie where it sorts them to: ours are at least this. */
const FIRST_OWN_FD = 32;
/** Bytes of a pipe: one read of the pump takes a full one. The default is 64 KiB (pipe(7)). */
const PIPE_BYTES = 256 * 1024;
/** Bytes of a tether written at once. */
const PIECE = 32 * 1024;
/** One entry of the child's list: number, six arguments. */
const ENTRY = 7 * 8;
/** Parameters of the launch routine (`ffi/asm/stubs.ts`), 64 bits each. */
const LAUNCH = {
  cloneArgs: 0,
  cloneSize: 8,
  calls: 16,
  failedCall: 24,
  failedAnswer: 32,
  savedMask: 48,
  fullMask: 56,
  size: 64,
} as const;

/** Read ends that the caller owns from now on, all close-on-exec and non-blocking. */
export interface Launched {
  /** The tether as this process numbers it; its parent is this process, so nobody else can reap it. */
  readonly pid: number;
  readonly pidfd: number;
  readonly report: number;
  readonly stdout: number;
  readonly stderr: number;
}

export interface LaunchRequest {
  /** The tether's executable, from `assemble`. */
  readonly tether: Uint8Array;
  /** `CLONE_NEW*` */
  readonly namespaces: number;
  /** Where the exit record goes: a writable descriptor, still the caller's afterwards. */
  readonly record: number;
  /** What the workload reads: a readable descriptor, still the caller's afterwards. */
  readonly stdin: number;
  /** The job's cgroup: its v2 directory, then its v1 `tasks` files; still the caller's afterwards. */
  readonly cgroup: readonly number[];
  /** v2 directory that the tether itself is born into, apart from its job. */
  readonly tetherCgroup?: number;
}

/**
 * What every tether must have of its own. Its program makes the root read-only and covers /proc, and at the end it
 * kills every process that it can see: started in the host's namespaces it would do all that to the host.
 */
const INDISPENSABLE = CLONE.NEWPID | CLONE.NEWNS;

let arena: Scratch | undefined;

/** Starts a tether. Throws SystemError; nothing is left open or running then. EINVAL without namespaces of its own. */
export function launch(request: LaunchRequest): Launched {
  arena ??= scratch(64 * 1024);
  arena.reset();
  const open: number[] = [];
  const own = (fd: number): number => {
    open.push(fd);
    return fd;
  };
  try {
    // First of all: it uses the arena up and starts over.
    const tether = own(sealed(arena, request.tether));
    const report = pipe(arena).map(own) as [number, number];
    const stdout = pipe(arena).map(own) as [number, number];
    const stderr = pipe(arena).map(own) as [number, number];
    // SAFETY: a descriptor's size in the kernel is four bytes; the room is larger and zeroed.
    const pidfd = arena.room(8);
    const sorted: [source: number, target: number][] = [
      [request.stdin, TETHER_FD.stdin],
      [stdout[1], TETHER_FD.stdout],
      [stderr[1], TETHER_FD.stderr],
      [report[1], TETHER_FD.report],
      [request.record, TETHER_FD.record],
      [stdout[0], TETHER_FD.stdoutRead],
      [stderr[0], TETHER_FD.stderrRead],
      [report[0], TETHER_FD.reportRead],
      ...request.cgroup.map((fd, index): [number, number] => [fd, TETHER_FD.cgroup + index]),
    ];
    // The caller's own may be low: the copies that move them out of the way go with the rest.
    const sources = sorted.map(([source]) =>
      source >= FIRST_OWN_FD ? source : own(must("fcntl", source, F.DUPFD_CLOEXEC, FIRST_OWN_FD)),
    );
    const calls: [CallName, ...number[]][] = sorted.map(([, target], index) => [
      "dup3",
      sources[index] ?? -1,
      target,
      0,
    ]);
    const empty = arena.text("");
    const argv = arena.bytes(words(arena.text("tele-tether"), 0));
    const envp = arena.bytes(words(0));
    calls.push(["execveat", tether, empty, argv, envp, AT.EMPTY_PATH]);
    const pid = clone(arena, request, pidfd, calls);
    for (const fd of [report[0], stdout[0], stderr[0]]) {
      must("fcntl", fd, F.SETFL, O.NONBLOCK);
      open.splice(open.indexOf(fd), 1);
    }
    return { pid, pidfd: descriptorAt(pidfd), report: report[0], stdout: stdout[0], stderr: stderr[0] };
  } finally {
    for (const fd of open) call("close", fd);
  }
}

function clone(
  memory: Scratch,
  { namespaces, tetherCgroup }: LaunchRequest,
  pidfd: Region,
  calls: readonly [CallName, ...number[]][],
): number {
  if ((namespaces & INDISPENSABLE) !== INDISPENSABLE) throw new SystemError("clone3", ERRNO.EINVAL);
  const architecture = hostArchitecture();
  const list = Array.from({ length: calls.length * 7 }, () => 0);
  calls.forEach(([name, ...args], index) => {
    list[index * 7] = SYSCALLS[name][architecture];
    args.forEach((value, position) => {
      list[index * 7 + 1 + position] = value;
    });
  });
  // SAFETY: everything that the routine and the child read lies in the arena, which is not reset before both are done:
  // CLONE_VFORK holds this thread until the child has left our memory.
  const flags = BigInt(CLONE.VM | CLONE.VFORK | CLONE.PIDFD | namespaces) | CLONE_CLEAR_SIGHAND;
  const args = cloneArgs({
    flags: tetherCgroup === undefined ? flags : flags | CLONE_INTO_CGROUP,
    exit_signal: SIG.CHLD,
    pidfd: pidfd.address,
    cgroup: tetherCgroup ?? 0,
  });
  const parameters = memory.room(LAUNCH.size);
  const view = new DataView(parameters.bytes.buffer, parameters.bytes.byteOffset, LAUNCH.size);
  const table = memory.bytes(words(...list));
  view.setBigUint64(LAUNCH.cloneArgs, BigInt(memory.bytes(args)), true);
  view.setBigUint64(LAUNCH.cloneSize, BigInt(CLONE_ARGS.cgroup + 8), true);
  view.setBigUint64(LAUNCH.calls, BigInt(table), true);
  view.setBigUint64(LAUNCH.fullMask, 0xffff_ffff_ffff_ffffn, true);
  const pid = code().launch(parameters.address);
  if (pid < 0) throw new SystemError("clone3", -pid);
  const failed = Number(view.getBigUint64(LAUNCH.failedCall, true));
  if (failed === 0) return pid;
  // The child is a zombie by now: whatever it could not do, it left at once.
  call("waitid", P.PID, pid, 0, W.EXITED, 0);
  call("close", descriptorAt(pidfd));
  const index = (failed - table) / ENTRY - 1;
  throw new SystemError(calls[index]?.[0] ?? "clone3", -Number(view.getBigInt64(LAUNCH.failedAnswer, true)));
}

function descriptorAt(region: Region): number {
  return new DataView(region.bytes.buffer, region.bytes.byteOffset).getInt32(0, true);
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setBigInt64(index * 8, BigInt(value), true));
  return bytes;
}

/** A pipe whose ends are both out of the way of the tether's descriptors. */
function pipe(memory: Scratch): [read: number, write: number] {
  const ends = memory.room(8);
  must("pipe2", ends.address, O.CLOEXEC);
  const view = new DataView(ends.bytes.buffer, ends.bytes.byteOffset);
  const found = [view.getInt32(0, true), view.getInt32(4, true)] as const;
  const read = outOfTheWay(found[0], found[1]);
  const write = outOfTheWay(found[1], read);
  // Refused where the user's pipe memory is used up (pipe(7)): then it keeps its 64 KiB.
  call("fcntl", read, F.SETPIPE_SZ, PIPE_BYTES);
  return [read, write];
}

/** A memfd with these bytes that nobody, the tether included, can change any more (CVE-2019-5736 needs a writable one). */
function sealed(memory: Scratch, bytes: Uint8Array): number {
  const name = memory.text("tele-tether");
  let fd = call("memfd_create", name, MFD.CLOEXEC | MFD.ALLOW_SEALING | MFD.EXEC);
  // MFD_EXEC is known since Linux 6.3.
  if (fd === -ERRNO.EINVAL) fd = must("memfd_create", name, MFD.CLOEXEC | MFD.ALLOW_SEALING);
  if (fd < 0) throw new SystemError("memfd_create", -fd);
  try {
    // In pieces, because a program with a megabyte of arguments does not fit into the arena.
    for (let written = 0; written < bytes.length; ) {
      const piece = bytes.subarray(written, written + PIECE);
      written += must("write", fd, memory.bytes(piece), piece.length);
      memory.reset();
    }
    must("fcntl", fd, F.ADD_SEALS, F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE);
  } catch (error) {
    call("close", fd);
    throw error;
  }
  return outOfTheWay(fd);
}

/** The same descriptor under a number that is none of the tether's. Where there is none left, `others` are closed too. */
function outOfTheWay(fd: number, ...others: number[]): number {
  if (fd >= FIRST_OWN_FD) return fd;
  const moved = call("fcntl", fd, F.DUPFD_CLOEXEC, FIRST_OWN_FD);
  if (moved < 0) for (const other of others) call("close", other);
  call("close", fd);
  if (moved < 0) throw new SystemError("fcntl", -moved);
  return moved;
}
