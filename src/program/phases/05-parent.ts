/** A sandbox without a daemon dies with the process that started it, and with the sandbox, in the kernel, all that is in it. */
import { PR } from "#ffi/abi/prctl.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { TETHER_FD } from "../descriptors.ts";
import { MESSAGE } from "../report.ts";
import type { ShapePhase } from "../shape.ts";
import { step } from "../step.ts";

export const parent: ShapePhase = ({ keeper }) =>
  keeper === "daemon"
    ? []
    : [
        // Sent from outside of the namespace, so PID 1 cannot ignore it (PR_SET_PDEATHSIG(2const), pid_namespaces(7)).
        step("parent.bind", "prctl", [PR.SET_PDEATHSIG, SIG.KILL, 0, 0, 0]),
        // It may have died before that: nobody else holds the read end, and this message, which means nothing, fails (EPIPE).
        step("parent.greet", "write", [TETHER_FD.report, new Uint8Array(MESSAGE.size), MESSAGE.size]),
      ];
