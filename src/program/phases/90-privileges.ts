/** The workload becomes its user and gives up every capability, for good (capabilities(7), PR_SET_NO_NEW_PRIVS(2const)). */
import { capHeader, noCapabilities } from "#ffi/abi/capabilities.ts";
import { PR, PR_CAP_AMBIENT_CLEAR_ALL } from "#ffi/abi/prctl.ts";
import type { Phase } from "../phase.ts";
import { step } from "../step.ts";

export const privileges: Phase = ({ facts, identity }) => [
  // The bounding set first: it takes a capability (CAP_SETPCAP) that the next steps drop.
  step("capabilities.bound", "prctl", [PR.CAPBSET_DROP, { round: true }, 0, 0, 0], {
    each: { first: 0, last: facts.lastCapability },
  }),
  step("capabilities.ambient", "prctl", [PR.CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]),
  step("identity.groups", "setgroups", [
    identity.groups.length,
    identity.groups.length > 0 ? groupList(identity.groups) : 0,
  ]),
  step("identity.gid", "setresgid", [identity.gid, identity.gid, identity.gid]),
  step("identity.uid", "setresuid", [identity.uid, identity.uid, identity.uid]),
  step("capabilities.drop", "capset", [capHeader(), noCapabilities()]),
  step("privileges.lock", "prctl", [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0]),
];

function groupList(groups: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(groups).buffer);
}
