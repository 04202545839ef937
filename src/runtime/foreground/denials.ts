/**
 * The calls of a sandbox that runs in the foreground: denied and counted, or allowed and learned.
 *
 * Whoever runs it puts `socket` into the launch, closes it with `launched`, and from then on, until the sandbox has
 * ended, calls `ready` whenever one of `descriptors` is readable: the workload waits for each answer, its execve included.
 */
import { call } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import type { PlanInput } from "#program/phase.ts";
import { isSupervised } from "#program/phases/95-filter.ts";
import { toOci } from "#program/seccomp/oci.ts";
import { filterFor } from "#program/seccomp/policy-filter.ts";
import type { DeniedCall } from "#spec/job.ts";
import type { OciSeccomp } from "#spec/oci-seccomp.ts";
import type { Policy } from "#spec/policy.ts";
import { listenerSockets, superviseCalls } from "../call-listener.ts";
import { type Decide, denialsOf } from "../denials.ts";

/** A sandbox's calls in the hands of this process. */
export interface ForegroundCalls {
  /** For `LaunchRequest.listener`. */
  readonly socket: number;
  /** Closes the sandbox's end, once it is launched or refused. */
  launched(): void;
  /** What to wait on now, at most one; another one after each `ready`. */
  descriptors(): number[];
  /** Answers what is there. It never waits, and may leave some for the next time. */
  ready(): void;
  /** The denied calls, the most frequent first; undefined where nothing was heard of them. */
  denied(): DeniedCall[] | undefined;
  /** The smallest filter that would have done, after a run that learns; undefined where nothing was heard. */
  learned(): OciSeccomp | undefined;
  /** So many calls were interrupted by signals while they were asked about: the program may have seen EINTR. */
  missed(): number;
  close(): void;
}

/** Everything goes on: to see what a program needs is no boundary (seccomp_unotify(2)). */
const allow: Decide = () => "continue";

/** What a sandbox makes under its filter: its execve, and where that fails the report and the end. */
const OF_THE_SANDBOX = ["execve", "exit_group", "write"];
/** Made for a process by signals, which come at one run and not at the other (signal(7)). */
const OF_SIGNALS = ["restart_syscall", "rt_sigreturn"];

/** Gets ready to supervise; undefined where the program asks for no supervisor. Throws SystemError. */
export function foregroundCalls(input: Pick<PlanInput, "policy" | "learn">): ForegroundCalls | undefined {
  if (!isSupervised(input)) return undefined;
  const filter = input.learn ? undefined : filterFor(input.policy);
  const { ours, theirs } = listenerSockets();
  const calls = superviseCalls(ours, filter ? denialsOf(filter) : allow, { alone: true });
  const architecture = hostArchitecture();
  let lent = true;
  const launched = (): void => {
    if (lent) call("close", theirs);
    lent = false;
  };
  return {
    socket: theirs,
    launched,
    descriptors: () => [calls.descriptor()].filter((fd) => fd >= 0),
    ready: () => calls.ready(),
    denied: () => (filter ? calls.counts()?.list(architecture) : undefined),
    learned() {
      const names = filter ? undefined : calls.counts()?.names(architecture);
      return names && learnedFilter(names, input.policy);
    },
    missed: () => calls.missed(),
    close() {
      launched();
      calls.close();
    },
  };
}

/** The filter of a run that made these calls, with what every sandbox of this policy makes besides. */
export function learnedFilter(
  names: readonly string[],
  { noNewPrivileges }: Pick<Policy, "noNewPrivileges">,
): OciSeccomp {
  // The capability that installing a filter may take is given up under the filter (95-filter.ts).
  const drop = noNewPrivileges ? [] : ["capset"];
  return toOci([...OF_THE_SANDBOX, ...OF_SIGNALS, ...drop, ...names]);
}
