/** A sandbox without a daemon dies with the process that started it, and with the sandbox, in the kernel, all that is in it. */
import { PR } from "#ffi/abi/prctl.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { TETHER_FD } from "../descriptors.ts";
import { MESSAGE } from "../report.ts";
import type { PlanInput } from "../phase.ts";
import type { ShapePhase } from "../shape.ts";
import { type Step, step } from "../step.ts";

const GREETING = new Uint8Array(MESSAGE.size);

export const parent: ShapePhase = ({ keeper }) => bound(keeper, "");

/** The steps that tie a tether to its parent; `again` ends their labels where they are made once more. */
export function bound(keeper: PlanInput["keeper"], again: "" | "-again"): Step[] {
  if (keeper === "daemon") return [];
  return [
    // Sent from outside of the namespace, so PID 1 cannot ignore it (PR_SET_PDEATHSIG(2const), pid_namespaces(7)).
    step(`parent.bind${again}`, "prctl", [PR.SET_PDEATHSIG, SIG.KILL, 0, 0, 0]),
    // It may have died before that: nobody else holds the read end, and this message, which means nothing, fails (EPIPE).
    step(`parent.greet${again}`, "write", [TETHER_FD.report, GREETING, MESSAGE.size]),
  ];
}
