/** A program is a flat list of steps; a step is one system call with a label. */
import type { ErrnoName } from "#ffi/abi/errno.ts";
import type { CallName } from "#ffi/syscalls.ts";

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
  /** The value that an earlier step's `out` was filled with. */
  | { readonly from: string }
  /** A NULL-terminated array of strings. */
  | { readonly vector: readonly string[] }
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
  /** The answer is a process: what follows runs in the child, the tether goes on to keep it. Once per program. */
  readonly forks?: true;
}

/** A sandbox from its first system call to the workload's execve. */
export interface Program {
  /** Namespaces (`CLONE_NEW*`) in which the tether is born. */
  readonly namespaces: number;
  readonly steps: readonly Step[];
  /** The first of the steps, where many programs share this very array: what is made of it is made once. */
  readonly shared?: readonly Step[];
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
