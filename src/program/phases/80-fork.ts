/**
 * The workload's process is born: on cgroup v2 straight into its cgroup (CLONE_INTO_CGROUP), on v1 it writes itself
 * into each hierarchy. "0" into `tasks` moves the writer alone, for which the kernel takes no lock that waits for an
 * RCU period, unlike a pid in `cgroup.procs` (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
 */
import { CLOSE_RANGE, LAST_DESCRIPTOR } from "#ffi/abi/close-range.ts";
import { CLONE, CLONE_ARGS_SIZE, CLONE_INTO_CGROUP } from "#ffi/abi/clone.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { Phase } from "../phase.ts";
import { type Step, step } from "../step.ts";

/** A group that nobody is in. */
const TETHER_GROUP = 0xffff_fff0;

export const fork: Phase = ({ facts }) => {
  const flags = BigInt(CLONE.VFORK | CLONE.PIDFD);
  const { v2, v1 } = facts.cgroup;
  const clone = {
    flags: v2 ? flags | CLONE_INTO_CGROUP : flags,
    exitSignal: SIG.CHLD,
    pidfd: "main-pidfd",
    ...(v2 && { cgroup: TETHER_FD.cgroup }),
  };
  const tasks = TETHER_FD.cgroup + Number(v2);
  return [
    // Who has the tether's user and group may set its limits (prlimit(2)), and with RLIMIT_FSIZE cost us the record.
    step("tether.group", "setresgid", [TETHER_GROUP, TETHER_GROUP, TETHER_GROUP]),
    step("workload.fork", "clone3", [{ clone }, CLONE_ARGS_SIZE], { forks: true }),
    ...Array.from({ length: v1 }, (_, index): Step => step(`cgroup.join-${index}`, "write", [tasks + index, "0", 1])),
    // Only now, so that the namespace's root is the job's own cgroup (cgroup_namespaces(7)).
    step("cgroup.unshare", "unshare", [CLONE.NEWCGROUP]),
    step("workload.descriptors", "close_range", [TETHER_FD.report, LAST_DESCRIPTOR, CLOSE_RANGE.CLOEXEC]),
    step("workload.session", "setsid", []),
  ];
};
