/** System calls that a filter asked its supervisor about: what each is answered, and how often each was made. Pure. */
import { ERRNO } from "#ffi/abi/errno.ts";
import { callName } from "#ffi/abi/syscall-numbers.ts";
import type { Architecture } from "#ffi/syscalls.ts";
import type { Filter } from "#program/seccomp/filter.ts";
import { denialOf } from "#program/seccomp/supervised.ts";
import type { DeniedCall } from "#spec/job.ts";

/** The error, 1 to 4095, that a call gets instead of being made, or `continue`: the kernel makes it. */
export type Answer = number | "continue";

/** Answers a call; its name is undefined where the number is nobody's, its arguments are 64 bits each. */
export type Decide = (call: string | undefined, args: readonly bigint[]) => Answer;

/** Most entries of an end record. */
const MOST_ENTRIES = 64;
/** Linux gives each number below to one call at most; a job that calls what lies above is counted in one line. */
const NUMBERS = 1024;
const ABOVE = "others";

/** How often each call was made; its size does not depend on what the job does. */
export interface CallCounts {
  add(number: number): void;
  /** The most frequent first, 64 at most; those of the same count by name. */
  list(architecture: Architecture): DeniedCall[];
  /** The name of each call that has one. */
  names(architecture: Architecture): string[];
}

/** Nothing counted yet. */
export function callCounts(): CallCounts {
  const counts = new Map<number, number>();
  return {
    add(number) {
      const key = number >= 0 && number < NUMBERS ? number : NUMBERS;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
    list(architecture) {
      const name = (number: number): string =>
        number === NUMBERS ? ABOVE : (callName(number, architecture) ?? String(number));
      return [...counts]
        .map(([number, count]): DeniedCall => ({ call: name(number), count }))
        .sort((one, other) => other.count - one.count || (one.call < other.call ? -1 : 1))
        .slice(0, MOST_ENTRIES);
    },
    names: (architecture) =>
      [...counts.keys()].flatMap((number) => (number === NUMBERS ? [] : (callName(number, architecture) ?? []))),
  };
}

/**
 * Answers what the filter means: never `continue`, because the job may change what its pointers point to after we have
 * looked (seccomp_unotify(2)). What it has no error for is refused as it would be with nobody listening.
 */
export function denialsOf(filter: Filter): Decide {
  return (call, args) => denialOf(filter, call, args) ?? ERRNO.ENOSYS;
}
