/** The strictest filter of all: PID 1 of a sandbox, once the workload may begin. */
import { SIG } from "#ffi/abi/signal.ts";
import { precompiledAs } from "./compile.ts";
import { type Filter, word } from "./filter.ts";

/** What it keeps: pipes, the workload's pidfd, the record. */
const KEEPING = ["read", "write", "pwrite64", "close", "close_range", "dup3"];
/** Reaping, and the numbers of the record. */
const REAPING = ["waitid", "getrusage", "clock_gettime", "getpid"];
/** Waiting to be released. */
const LEAVING = ["rt_sigtimedwait", "ppoll", "exit_group"];

/**
 * What the tether does for the rest of its life (`keep` in assemble.ts), and death for all else: whoever got into its
 * memory could wait, write and leave. It needs no restart_syscall: none of these calls is restarted by it (signal(7)).
 */
export const TETHER_FILTER: Filter = precompiledAs(
  {
    default: "KILL_PROCESS",
    rules: [
      { calls: [...KEEPING, ...REAPING, ...LEAVING], action: "ALLOW" },
      // Everybody in its pid namespace, for good; nobody alone.
      { calls: ["kill"], action: "ALLOW", args: [word(0, "==", 0xffff_ffff), word(1, "==", SIG.KILL)] },
    ],
  },
  "tether",
);
