/**
 * The workload's process is born, in user, mount, network, ipc and uts namespaces of its own.
 *
 * Its mount namespace is a copy in a user namespace with fewer privileges, so each of the tether's mounts, with all its
 * flags, is locked there: whatever capabilities the workload has, it cannot uncover, remount or unmount one
 * (mount_namespaces(7), "Restrictions on mount namespaces"). On cgroup v2 it is born into its cgroup (CLONE_INTO_CGROUP).
 */
import { CLONE, CLONE_ARGS_SIZE, CLONE_INTO_CGROUP } from "#ffi/abi/clone.ts";
import { EFD } from "#ffi/abi/eventfd.ts";
import { O } from "#ffi/abi/fcntl.ts";
import { SIG } from "#ffi/abi/signal.ts";
import type { Shareable } from "#spec/security.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { Phase } from "../phase.ts";
import { type Step, step } from "../step.ts";
import { bound } from "./05-parent.ts";

/** A group that nobody is in. */
const TETHER_GROUP = 0xffff_fff0;

/** The cgroup namespace is the workload's own affair (`cgroup.unshare`): its root is where the process is by then. */
const NAMESPACES: readonly (readonly [Shareable, number])[] = [
  ["net", CLONE.NEWNET],
  ["ipc", CLONE.NEWIPC],
  ["uts", CLONE.NEWUTS],
];

export const fork: Phase = ({ facts, policy, keeper }) => {
  const isolated = policy.userns === "private";
  let flags = BigInt(CLONE.PIDFD | CLONE.NEWNS | (isolated ? CLONE.NEWUSER : 0));
  for (const [name, bit] of NAMESPACES) if (!policy.share.includes(name)) flags |= BigInt(bit);
  const clone = {
    flags: facts.cgroup.v2 ? flags | CLONE_INTO_CGROUP : flags,
    exitSignal: SIG.CHLD,
    pidfd: "main-pidfd",
    ...(facts.cgroup.v2 && { cgroup: TETHER_FD.cgroup }),
  };
  // Where the job's root is the tether's user too: whoever shares user and group may set its limits (prlimit(2)), and
  // with RLIMIT_FSIZE cost us the record.
  const group: Step[] = isolated
    ? []
    : [
        step("tether.group", "setresgid", [TETHER_GROUP, TETHER_GROUP, TETHER_GROUP]),
        // Another group takes the signal of the parent's death away (PR_SET_PDEATHSIG(2const), "CAVEATS").
        ...bound(keeper, "-again"),
      ];
  return [
    ...group,
    // Taken before the calls that answer new ones, which are then none of these: a pipe's end at the place of the other would
    // be closed by it, and dup3(2) refuses a descriptor for itself.
    step("go.reserve", "dup3", [TETHER_FD.report, { round: true }, O.CLOEXEC], {
      each: { first: TETHER_FD.go, last: TETHER_FD.begunWrite },
    }),
    step("go.make", "eventfd2", [0, EFD.CLOEXEC | EFD.SEMAPHORE], { save: "go" }),
    step("go.place", "dup3", [{ slot: "go" }, TETHER_FD.go, O.CLOEXEC]),
    step("begun.make", "pipe2", [{ out: "begun" }, O.CLOEXEC]),
    step("begun.place-read", "dup3", [{ from: "begun", half: 0 }, TETHER_FD.begunRead, O.CLOEXEC]),
    step("begun.place-write", "dup3", [{ from: "begun", half: 1 }, TETHER_FD.begunWrite, O.CLOEXEC]),
    step("workload.fork", "clone3", [{ clone }, CLONE_ARGS_SIZE], { forks: true }),
  ];
};
