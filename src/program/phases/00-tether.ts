/** PID 1 takes its name and lets go of everything that it was not given on purpose. */
import { LAST_DESCRIPTOR } from "#ffi/abi/close-range.ts";
import { PR } from "#ffi/abi/prctl.ts";
import { TETHER_FD } from "../descriptors.ts";
import type { Facts } from "#spec/facts.ts";
import { type Step, step } from "../step.ts";

export const tether = (facts: Facts): readonly Step[] => [
  step("tether.name", "prctl", [PR.SET_NAME, "tele-tether", 0, 0, 0]),
  step("tether.close", "close_range", [
    TETHER_FD.cgroup + Number(facts.cgroup.v2) + facts.cgroup.v1,
    LAST_DESCRIPTOR,
    0,
  ]),
];
