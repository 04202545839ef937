/**
 * A child of this process that makes system calls, one after the other, and nothing else: it shares our memory and
 * never uses the stack (`launch` in asm/stubs.ts), so that no code of the runtime runs in it.
 */
import { cloneArgs, CLONE, CLONE_ARGS_SIZE, CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP } from "./abi/clone.ts";
import { ERRNO } from "./abi/errno.ts";
import { SIG } from "./abi/signal.ts";
import { P, W } from "./abi/wait.ts";
import { call, code, type Scratch, SystemError } from "./call.ts";
import { type CallName, hostArchitecture, SYSCALLS } from "./syscalls.ts";

/** One call of a child: its name and arguments. Addresses lie in memory that lives as long as the child. */
export type ChildCall = readonly [CallName, ...number[]];

export interface ChildRequest {
  /** `CLONE_*` besides CLONE_VM and CLONE_PIDFD. With CLONE_VFORK this thread waits until the child has left our memory. */
  readonly flags: number;
  /** Made in this order. The first that fails ends the child; an execve that succeeds takes it out of our memory. */
  readonly calls: readonly ChildCall[];
  /** Directory of the cgroup v2 that it is born into. */
  readonly cgroup?: number;
  /** No signal tells of its end, so that nobody but `reap` reaps it (waitid(2), __WALL). */
  readonly silent?: true;
}

export interface Child {
  readonly pid: number;
  /** Close-on-exec, the caller's. */
  readonly pidfd: number;
  /** The call that failed, asked once the child has left our memory. */
  failure(): SystemError | undefined;
  /** Reaps it, once it has ended or is about to, and closes the pidfd. */
  reap(): void;
}

/** Parameters of the launch routine, 64 bits each. */
const PARAMETERS = {
  cloneArgs: 0,
  cloneSize: 8,
  calls: 16,
  failedCall: 24,
  failedAnswer: 32,
  savedMask: 48,
  fullMask: 56,
  size: 64,
} as const;
/** One entry of the child's list: number, six arguments. */
const ENTRY = 7;

/** Starts a child. Throws SystemError (clone3). `memory` must not be reset before the child has left it. */
export function child(memory: Scratch, { flags, calls, cgroup, silent }: ChildRequest): Child {
  const architecture = hostArchitecture();
  const list = Array.from({ length: calls.length * ENTRY }, () => 0);
  calls.forEach(([name, ...args], index) => {
    list[index * ENTRY] = SYSCALLS[name][architecture];
    args.forEach((value, position) => {
      list[index * ENTRY + 1 + position] = value;
    });
  });
  // SAFETY: a descriptor's size in the kernel is four bytes; the room is larger and zeroed.
  const pidfdAt = memory.room(8);
  const base = BigInt(CLONE.VM | CLONE.PIDFD | flags) | CLONE_CLEAR_SIGHAND;
  const args = cloneArgs({
    flags: cgroup === undefined ? base : base | CLONE_INTO_CGROUP,
    exit_signal: silent ? 0 : SIG.CHLD,
    pidfd: pidfdAt.address,
    cgroup: cgroup ?? 0,
  });
  const parameters = memory.room(PARAMETERS.size);
  const view = new DataView(parameters.bytes.buffer, parameters.bytes.byteOffset, PARAMETERS.size);
  const table = memory.bytes(words(...list));
  view.setBigUint64(PARAMETERS.cloneArgs, BigInt(memory.bytes(args)), true);
  view.setBigUint64(PARAMETERS.cloneSize, BigInt(CLONE_ARGS_SIZE), true);
  view.setBigUint64(PARAMETERS.calls, BigInt(table), true);
  view.setBigUint64(PARAMETERS.fullMask, 0xffff_ffff_ffff_ffffn, true);
  // SAFETY: everything that the routine and the child read lies in `memory`, which the caller keeps.
  const pid = code().launch(parameters.address);
  if (pid < 0) throw new SystemError("clone3", -pid);
  const pidfd = new DataView(pidfdAt.bytes.buffer, pidfdAt.bytes.byteOffset).getInt32(0, true);
  return {
    pid,
    pidfd,
    failure() {
      const failed = Number(view.getBigUint64(PARAMETERS.failedCall, true));
      if (failed === 0) return undefined;
      const index = (failed - table) / (ENTRY * 8) - 1;
      const errno = -Number(view.getBigInt64(PARAMETERS.failedAnswer, true));
      return new SystemError(calls[index]?.[0] ?? "clone3", errno);
    },
    reap() {
      while (call("waitid", P.PID, pid, 0, W.EXITED | W.ALL, 0) === -ERRNO.EINTR);
      call("close", pidfd);
    },
  };
}

/** 64-bit words as the kernel reads them. */
export function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setBigInt64(index * 8, BigInt(value), true));
  return bytes;
}
