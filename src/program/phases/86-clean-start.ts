/** A clean start: default signals, an empty mask, its limits and the usual umask. */
import { RLIMIT, rlimit } from "#ffi/abi/resource.ts";
import { SIG_HOW, SIGACTION_SIZE, SIGSET_SIZE, signalName } from "#ffi/abi/signal.ts";
import type { Phase } from "../phase.ts";
import { type Step, step } from "../step.ts";

export const cleanStart: Phase = ({ facts, limits }) => [
  // Handlers are gone since clone3 (CLONE_CLEAR_SIGHAND) and execve; what our runtime ignores would stay ignored.
  ...facts.ignoredSignals.map(
    (signal): Step =>
      step(`signals.default-${signalName(signal).slice(3).toLowerCase().replace("+", "-")}`, "rt_sigaction", [
        signal,
        new Uint8Array(SIGACTION_SIZE),
        0,
        SIGSET_SIZE,
      ]),
  ),
  step("signals.unblock", "rt_sigprocmask", [SIG_HOW.SETMASK, new Uint8Array(SIGSET_SIZE), 0, SIGSET_SIZE]),
  // What else a job asks for in `ulimits` is set last of all (94-ulimits.ts).
  step("limits.nofile", "prlimit64", [
    0,
    RLIMIT.NOFILE,
    rlimit(Math.min(limits.nofile, facts.nofileHard), facts.nofileHard),
    0,
  ]),
  step("workload.umask", "umask", [0o022]),
];
