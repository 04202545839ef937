/**
 * The short way of `tele run`: a command line that ran before needs no parser, no planner and no assembler, but its kept
 * tether. Everything else, and everything that goes wrong before the command begins, takes the long way from its start.
 */
import { CLONE } from "#ffi/abi/clone.ts";
import { MFD } from "#ffi/abi/memfd.ts";
import { call, must, type Scratch, scratch } from "#ffi/call.ts";
import { isTerminal } from "#ffi/terminal.ts";
import { claimRange, type ClaimedRange } from "#host/claimed-range.ts";
import { unownedNamespace } from "#host/mapping-namespace.ts";
import { decodeRecord, RECORD } from "#program/report.ts";
import { type Launched, launch } from "../launch.ts";
import { attend, type Outcome } from "./attend.ts";
import { ownIds } from "./ids.ts";
import { circumstances, findTether, keptDirectory, type KeptTether, makingText } from "./kept.ts";
import { catchSignals, type Signals } from "./signals.ts";

const SIGKILL = 9;

/** Runs `tele run` with these words; the status to exit with, or undefined where nothing was begun. */
export function runKept(words: readonly string[], environment: NodeJS.ProcessEnv): number | undefined {
  const at = words.indexOf("--");
  const name = words[at + 1];
  if (at < 0 || name === undefined) return undefined;
  const here = circumstances(environment);
  const directory = keptDirectory(here, environment);
  if (directory === undefined) return undefined;
  let range: ClaimedRange | undefined;
  let unowned: number | undefined;
  try {
    const memory = scratch(4096);
    let record: number;
    let launched: Launched;
    let signals: Signals;
    try {
      range = here.isRoot ? claimRange(undefined, "all") : undefined;
      const terminal = isTerminal(1) ? environment["TERM"] : undefined;
      const making = makingText(here, { words: words.slice(0, at), name, terminal, firstId: range?.start });
      const kept = findTether(making, directory);
      if (!kept) return undefined;
      record = must("memfd_create", memory.text("tele-record"), MFD.CLOEXEC);
      signals = catchSignals();
      unowned = here.isRoot ? unownedNamespace() : undefined;
      launched = launchKept(kept, record, words.slice(at + 1), unowned);
    } catch {
      return undefined;
    }
    const outcome = attend(launched, { signals });
    call("close", launched.pidfd);
    // Only a step that failed says for certain that the command has not begun: nothing is ever run twice.
    return outcome.started || !outcome.failure ? statusOf(outcome, record, memory) : undefined;
  } finally {
    range?.release();
    if (unowned !== undefined) call("close", unowned);
  }
}

function launchKept(
  { tether, namespaces }: KeptTether,
  record: number,
  passed: readonly string[],
  unowned: number | undefined,
): Launched {
  return launch({
    tether,
    namespaces,
    record,
    stdin: 0,
    output: { stdout: 1, stderr: 2 },
    cgroup: [],
    bound: true,
    passed,
    // Whether the program wants it or not: to find that out would cost as much.
    ...(unowned !== undefined && { unowned }),
    ...((namespaces & CLONE.NEWUSER) !== 0 && { ids: ownIds() }),
  });
}

function statusOf({ tether: left }: Outcome, record: number, memory: Scratch): number {
  const room = memory.room(RECORD.size);
  const length = call("pread64", record, room.address, RECORD.size, 0);
  const exit = length > 0 ? decodeRecord(room.bytes) : undefined;
  if (exit) return exit.exitCode ?? 128 + (exit.signal ?? 0);
  // Its PID 1 was killed, and everything with it.
  return left.signal === undefined ? 125 : 128 + SIGKILL;
}

/** Ends this process at once: nothing of ours is written late, and the runtime's own farewell takes half a millisecond. */
export function leave(status: number): void {
  call("exit_group", status);
}
