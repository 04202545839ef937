/** Clocks of its own: a time namespace for whoever the tether forks, its offsets written before anybody is in it (time_namespaces(7)). */
import { AT, O } from "#ffi/abi/fcntl.ts";
import { CLONE } from "#ffi/abi/clone.ts";
import type { Phase } from "../phase.ts";
import { step } from "../step.ts";

export const clock: Phase = ({ policy }) => {
  if (!policy.clock) return [];
  const { monotonic, boottime } = policy.clock;
  const text = `monotonic ${monotonic} 0\nboottime ${boottime} 0\n`;
  return [
    step("clock.unshare", "unshare", [CLONE.NEWTIME]),
    step("clock.open", "openat", [AT.FDCWD, "/proc/self/timens_offsets", O.WRONLY | O.CLOEXEC, 0], { save: "offsets" }),
    step("clock.set", "write", [{ slot: "offsets" }, text, text.length]),
    step("clock.close", "close", [{ slot: "offsets" }]),
  ];
};
