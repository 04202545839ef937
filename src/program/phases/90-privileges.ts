/** The workload becomes its user and gives up every capability that it was not given, for good (capabilities(7)). */
import { capData, capHeader } from "#ffi/abi/capabilities.ts";
import { KEYCTL } from "#ffi/abi/keyctl.ts";
import { PR, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_RAISE } from "#ffi/abi/prctl.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import type { Phase, PlanInput } from "../phase.ts";
import { type Step, step } from "../step.ts";

const CAP_SYS_ADMIN = 21;

export const privileges: Phase = ({ facts, identity, policy, ids }) => {
  const kept = keptCapabilities({ policy, facts });
  // A filter may be installed by whoever can gain no privilege, or has CAP_SYS_ADMIN until then (seccomp(2)).
  const held = needsAdmin(policy) && !kept.includes(CAP_SYS_ADMIN) ? [...kept, CAP_SYS_ADMIN] : kept;
  // Root has them after its execve anyway; another user only the ambient ones (capabilities(7)).
  const ambient = identity.uid === 0 ? [] : kept;
  const dropped = Array.from({ length: facts.lastCapability + 1 }, (_, number) => number).filter(
    (number) => !kept.includes(number),
  );
  return [
    // The bounding set first: it takes a capability (CAP_SETPCAP) that the next steps drop.
    ...runs(dropped).map(
      ([first, last]): Step =>
        step(`capabilities.bound-${first}`, "prctl", [PR.CAPBSET_DROP, { round: true }, 0, 0, 0], {
          each: { first, last },
        }),
    ),
    step("capabilities.ambient", "prctl", [PR.CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]),
    // With one id alone the kernel keeps setgroups(2) shut (user_namespaces(7)).
    ...(isSingle(ids) ? [] : [step("identity.groups", "setgroups", groupList(identity.groups))]),
    ...(held.length > 0 ? [step("identity.keep", "prctl", [PR.SET_KEEPCAPS, 1, 0, 0, 0])] : []),
    step("identity.gid", "setresgid", [identity.gid, identity.gid, identity.gid]),
    step("identity.uid", "setresuid", [identity.uid, identity.uid, identity.uid]),
    step("capabilities.drop", "capset", [capHeader(), capData(held, ambient)]),
    ...runs(ambient).map(
      ([first, last]): Step =>
        step(`capabilities.raise-${first}`, "prctl", [PR.CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, { round: true }, 0, 0], {
          each: { first, last },
        }),
    ),
    // Empty, and possessed by this user: without it the keys of whoever started us could be searched (keyrings(7)).
    step("keyring.join", "keyctl", [KEYCTL.JOIN_SESSION_KEYRING, 0, 0, 0, 0], { tolerate: ["ENOSYS"] }),
    ...(policy.noNewPrivileges ? [step("privileges.lock", "prctl", [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0])] : []),
  ];
};

/** Whether CAP_SYS_ADMIN is held until the filter is there. */
export function needsAdmin({ noNewPrivileges, seccomp }: PlanInput["policy"]): boolean {
  return !noNewPrivileges && seccomp !== "unconfined";
}

/** Numbers of the capabilities that the workload has. */
export function keptCapabilities({ policy, facts }: Pick<PlanInput, "policy" | "facts">): number[] {
  return policy.capabilities
    .map((name) => CAPABILITIES.indexOf(name))
    .filter((number) => number <= facts.lastCapability && (policy.userns === "private" || facts.held.includes(number)));
}

function isSingle(ids: PlanInput["ids"]): boolean {
  return ids?.gids.length === 1 && ids.gids[0]?.count === 1;
}

function groupList(groups: readonly number[]): [number, Uint8Array | number] {
  return [groups.length, groups.length > 0 ? new Uint8Array(Uint32Array.from(groups).buffer) : 0];
}

/** First and last of each run of neighbours in a sorted list. */
function runs(numbers: readonly number[]): [first: number, last: number][] {
  const found: [number, number][] = [];
  for (const number of numbers) {
    const run = found.at(-1);
    if (run && run[1] === number - 1) run[1] = number;
    else found.push([number, number]);
  }
  return found;
}
