/** PID 1 takes its name, and lets go of everything that it was not given on purpose. */
import { LAST_DESCRIPTOR } from "#ffi/abi/close-range.ts";
import { PR } from "#ffi/abi/prctl.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { ShapePhase } from "../shape.ts";
import { step } from "../step.ts";

export const tether: ShapePhase = ({ facts }) => [
  step("tether.name", "prctl", [PR.SET_NAME, "tele-tether", 0, 0, 0]),
  // Nobody of the same user may trace it or look into its memory, nor into the workload's before its execve (ptrace(2)).
  step("tether.undumpable", "prctl", [PR.SET_DUMPABLE, 0, 0, 0, 0]),
  step("tether.close", "close_range", [
    TETHER_FD.cgroup + Number(facts.cgroup.v2) + facts.cgroup.v1,
    LAST_DESCRIPTOR,
    0,
  ]),
];
