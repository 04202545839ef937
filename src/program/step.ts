/** A program is a flat list of steps; a step is one system call with a label. */
import type { ErrnoName } from "#ffi/abi/errno.ts";
import type { CallName } from "#ffi/syscalls.ts";
import type { Filter } from "./seccomp/filter.ts";

/** An argument of a step. */
export type Value =
  | number
  /** A NUL-terminated string. */
  | string
  /** The address of these bytes. */
  | Uint8Array
  /** What an earlier step answered. */
  | { readonly slot: string }
  /** The address of eight zeroed bytes that the kernel fills. */
  | { readonly out: string }
  /** The value that an earlier step's `out` was filled with, or one of the two numbers in it (pipe2(2)). */
  | { readonly from: string; readonly half?: 0 | 1 }
  /** The address of these bytes, in which what an earlier step answered is put at `at` before the call. */
  | { readonly patched: Uint8Array; readonly at: number; readonly slot: string }
  /** The address of `struct msghdr` that passes the descriptor which an earlier step answered, with one zero byte (unix(7)). */
  | { readonly passing: string }
  /** The address of `struct sock_fprog` with this filter, compiled (seccomp(2)); `name` is for listings. */
  | { readonly filter: Filter; readonly name: string }
  /** A NULL-terminated array of strings; `passed`: it is no part of the tether, which gets it as its own arguments. */
  | { readonly vector: readonly string[]; readonly passed?: true }
  /** The number of this round, in a step with `each`. */
  | { readonly round: true }
  /** The address of `struct clone_args`, whose pidfd goes to an `out`. */
  | {
      readonly clone: {
        readonly flags: bigint;
        readonly exitSignal: number;
        readonly pidfd: string;
        readonly cgroup?: number;
      };
    };

/** One system call of a sandbox's birth. */
export interface Step {
  /** `phase.verb`, unique in its program: what an error blames. */
  readonly label: string;
  readonly call: CallName;
  /** In the order of the manual page. */
  readonly args: readonly Value[];
  /** Name under which the answer is kept. */
  readonly save?: string;
  /** Errors that do not end the program. */
  readonly tolerate?: readonly ErrnoName[];
  /** Repeats the call with `round` from the first number to the last. */
  readonly each?: { readonly first: number; readonly last: number };
  /** The answer is a process: what follows runs in the child, but for the steps of the tether. Once per program. */
  readonly forks?: true;
  /** Behind the fork: a step of the tether, which makes these, in their order, while the child makes the others. */
  readonly tether?: true;
}

/** A sandbox from its first system call to the workload's execve. */
export interface Program {
  /** Namespaces (`CLONE_NEW*`) in which the tether is born. */
  readonly namespaces: number;
  readonly steps: readonly Step[];
  /** The first of the steps, where many programs share this very array: what is made of it is made once. */
  readonly shared?: readonly Step[];
  /** A daemon's tether waits for its release; one kept by its parent leaves, and so ends, as soon as the workload has. */
  readonly keeper: "daemon" | "parent";
}

/** Shorthand that keeps phases readable. */
export function step(
  label: string,
  call: CallName,
  args: readonly Value[],
  more: Omit<Step, "label" | "call" | "args"> = {},
): Step {
  return { label, call, args, ...more };
}
