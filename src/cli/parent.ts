/** `--die-with-parent`. */
import { PR } from "#ffi/abi/prctl.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { call, must } from "#ffi/call.ts";

/** From here on KILL comes to this process when the one that started it ends (PR_SET_PDEATHSIG(2const)). */
export function dieWithParent(): void {
  const parent = call("getppid");
  must("prctl", PR.SET_PDEATHSIG, SIG.KILL, 0, 0, 0);
  // It ended in between.
  if (call("getppid") !== parent) call("kill", call("getpid"), SIG.KILL);
}
