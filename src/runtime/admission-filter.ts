/** Whether a filter that was given can hold a program at all: one that cannot begin or end is refused before it is tried. */
import type { Fault } from "#errors";
import type { Architecture } from "#ffi/syscalls.ts";
import { type Action, isAlways, rulesByCall } from "#program/seccomp/filter.ts";
import { fromOci, ociFaults } from "#program/seccomp/oci.ts";
import type { OciSeccomp } from "#spec/oci-seccomp.ts";

const POINTER = "/security/seccomp";

/** Everything that is wrong with a filter on this machine. */
export function filterFaults(oci: OciSeccomp, architecture: Architecture): Fault[] {
  const faults = ociFaults(oci, architecture);
  if (faults.length > 0) return faults;
  const begins = answers(oci, "execve").some((action) => action === "ALLOW" || action === "LOG");
  // Who cannot leave goes on behind its own end: the sandbox's last process would neither run nor fail.
  const ends = answers(oci, "exit_group").every((action) => typeof action === "string");
  return [
    ...(begins ? [] : ["does not allow execve, with which the program itself begins; allow it"]),
    ...(ends ? [] : ["answers exit_group with an error, so that no program could end; allow it"]),
  ].map((detail) => ({ pointer: POINTER, detail }));
}

/** What a filter may make of a call, whatever its arguments are. */
function answers(oci: OciSeccomp, call: string): Action[] {
  const filter = fromOci(oci);
  const rules = rulesByCall(filter).get(call) ?? [];
  const actions = rules.map(({ action }) => action);
  return isAlways(rules.at(-1)) ? actions : [...actions, filter.default];
}
