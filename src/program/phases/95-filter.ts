/**
 * The system call filter, last of all: what comes behind it is the workload's own (seccomp(2)).
 *
 * Where denials are to be reported, they are answered by whoever holds the filter's listener (seccomp_unotify(2)). It
 * goes over a socket to the supervisor, for which the filter lets this one sendmsg(2) through.
 */
import { capData, capHeader } from "#ffi/abi/capabilities.ts";
import { MSG } from "#ffi/abi/message.ts";
import { SECCOMP, SECCOMP_FILTER_FLAG } from "#ffi/abi/seccomp.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { Phase, PlanInput } from "../phase.ts";
import type { Filter } from "../seccomp/filter.ts";
import { filterFor } from "../seccomp/policy-filter.ts";
import { learning, reporting } from "../seccomp/supervised.ts";
import { type Step, step } from "../step.ts";
import { keptCapabilities, needsAdmin } from "./90-privileges.ts";
import { ulimits } from "./94-ulimits.ts";

export const filter: Phase = (input) => {
  const { policy, identity } = input;
  const kept = keptCapabilities(input);
  return [
    // The tether has dropped everything by now, and cannot be asked for anything any more.
    step("workload.await", "read", [TETHER_FD.go, new Uint8Array(8), 8]),
    ...ulimits(input),
    ...install(input),
    ...(needsAdmin(policy)
      ? [step("seccomp.drop", "capset", [capHeader(), capData(kept, identity.uid === 0 ? [] : kept)])]
      : []),
  ];
};

/** Whether a supervisor takes the filter's listener. */
export function isSupervised({ policy, learn }: Pick<PlanInput, "policy" | "learn">): boolean {
  return learn === true || (policy.reportDenied && policy.seccomp !== "unconfined");
}

function install(input: PlanInput): Step[] {
  const wanted = filterFor(input.policy);
  const name = typeof input.policy.seccomp === "string" ? input.policy.seccomp : "given";
  const set = (filter: Filter, shown: string, flags: number, more: { save?: string } = {}): Step =>
    step("seccomp.install", "seccomp", [SECCOMP.SET_MODE_FILTER, flags, { filter, name: shown }], more);
  if (!isSupervised(input)) return wanted ? [set(wanted, name, wanted.flags ?? 0)] : [];
  const { listener, report } = TETHER_FD;
  const [filter, shown] =
    input.learn || !wanted ? [learning(listener, report), "learning"] : [reporting(wanted, listener), name];
  // Otherwise a signal whose handler does without SA_RESTART ends the wait with EINTR, which clone(2), for one, never is.
  const flags =
    SECCOMP_FILTER_FLAG.NEW_LISTENER | (input.facts.waitKillable ? SECCOMP_FILTER_FLAG.WAIT_KILLABLE_RECV : 0);
  return [
    set(filter, shown, (filter.flags ?? 0) | flags, { save: "listener" }),
    // A supervisor that has gone is this step's failure, not a SIGPIPE of the workload's.
    step("seccomp.report", "sendmsg", [listener, { passing: "listener" }, MSG.NOSIGNAL]),
  ];
}
