/**
 * The tether, while its child gets ready: it writes the maps of the new user namespace, and then drops everything that
 * it will not need, for good, before the workload may begin. It keeps its user: the creator of a user namespace may
 * signal whoever is in it, without any capability (user_namespaces(7)); where there is none it keeps CAP_KILL.
 */
import { capData, capHeader } from "#ffi/abi/capabilities.ts";
import { AT, O } from "#ffi/abi/fcntl.ts";
import { PR, PR_CAP_AMBIENT_CLEAR_ALL } from "#ffi/abi/prctl.ts";
import { SECCOMP } from "#ffi/abi/seccomp.ts";
import type { IdMapLine } from "#spec/facts.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { Phase } from "../phase.ts";
import { TETHER_FILTER } from "../seccomp/tether.ts";
import { type Step, step } from "../step.ts";
import { lift } from "./94-ulimits.ts";

const CAP_KILL = 5;
/** The namespace's second process: nobody else has forked there (pid_namespaces(7)). */
const WORKLOAD = "/proc/2";
/** What is added to the semaphore: one wait ends. */
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

/** The caller's user and group alone, or a range: `inside outside count` a line (user_namespaces(7)). */
function map(name: "uid" | "gid", lines: readonly IdMapLine[]): Step[] {
  const text = lines.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join("");
  const slot = `${name}-map`;
  return [
    step(`map.open-${name}`, "openat", [AT.FDCWD, `${WORKLOAD}/${name}_map`, O.WRONLY | O.CLOEXEC, 0], { save: slot }),
    step(`map.write-${name}`, "write", [{ slot }, text, text.length]),
    step(`map.close-${name}`, "close", [{ slot }]),
  ];
}

export const guard: Phase = (input) => {
  const { facts, ids, policy } = input;
  const maps =
    policy.userns === "private" && ids
      ? [...map("uid", ids.uids), ...map("gid", ids.gids), step("map.go", "write", [TETHER_FD.go, ONE, ONE.length])]
      : [];
  return [
    ...lift(input),
    ...maps,
    step("guard.bound", "prctl", [PR.CAPBSET_DROP, { round: true }, 0, 0, 0], {
      each: { first: 0, last: facts.lastCapability },
    }),
    step("guard.ambient", "prctl", [PR.CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]),
    step("guard.drop", "capset", [capHeader(), capData(policy.userns === "private" ? [] : [CAP_KILL])]),
    step("guard.lock", "prctl", [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0]),
    step("guard.filter", "seccomp", [SECCOMP.SET_MODE_FILTER, 0, { filter: TETHER_FILTER, name: "tether" }]),
    step("guard.go", "write", [TETHER_FD.go, ONE, ONE.length]),
  ].map((one): Step => ({ ...one, tether: true }));
};
