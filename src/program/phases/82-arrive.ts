/** The workload in its namespaces: waits for its ids, joins its cgroup, and closes everything that it was not given on purpose. */
import { CLOSE_RANGE, LAST_DESCRIPTOR } from "#ffi/abi/close-range.ts";
import { CLONE } from "#ffi/abi/clone.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { Phase } from "../phase.ts";
import { type Step, step } from "../step.ts";
import { isSupervised } from "./95-filter.ts";

export const arrive: Phase = (input) => {
  const { facts, policy } = input;
  const { v2, v1 } = facts.cgroup;
  const tasks = TETHER_FD.cgroup + Number(v2);
  return [
    ...(policy.userns === "private" ? [step("workload.map", "read", [TETHER_FD.go, new Uint8Array(8), 8])] : []),
    ...(policy.newSession ? [step("workload.session", "setsid", [])] : []),
    // "0" into `tasks` moves the writer alone, for which the kernel takes no lock that waits for an RCU period, unlike a
    // pid in `cgroup.procs` (kernel/cgroup/cgroup.c, cgroup_procs_write_start).
    ...Array.from({ length: v1 }, (_, index): Step => step(`cgroup.join-${index}`, "write", [tasks + index, "0", 1])),
    // Only now, so that the namespace's root is the job's own cgroup (cgroup_namespaces(7)).
    ...(policy.share.includes("cgroup") ? [] : [step("cgroup.unshare", "unshare", [CLONE.NEWCGROUP])]),
    // Closed and not only marked: a working directory below /proc/self/fd must not lead out (CVE-2024-21626). What the
    // tether was not given the steps before have filled, with sources of binds among others, which lie in the old root.
    ...(isSupervised(input)
      ? [step("workload.close-idmap", "close_range", [TETHER_FD.idmap, TETHER_FD.idmap, 0])]
      : []),
    step("workload.close", "close_range", [
      isSupervised(input) ? TETHER_FD.listener + 1 : TETHER_FD.idmap,
      LAST_DESCRIPTOR,
      0,
    ]),
    step("workload.forget", "close_range", [TETHER_FD.record, TETHER_FD.main, 0]),
    step("workload.descriptors", "close_range", [TETHER_FD.report, LAST_DESCRIPTOR, CLOSE_RANGE.CLOEXEC]),
  ];
};
