/** Signals to us that are meant for the workload: caught by a few instructions of our own, read when it suits us. */
import { F, O } from "#ffi/abi/fcntl.ts";
import { SA, SI_KERNEL, SIG, SIG_IGN, SIGACTION, SIGACTION_SIZE, SIGSET_SIZE } from "#ffi/abi/signal.ts";
import { signalHandler, SIGNAL_NOTE_SIZE } from "#ffi/asm/signal-handler.ts";
import { stubBytes } from "#ffi/asm/stubs.ts";
import { call, must, scratch } from "#ffi/call.ts";
import { native } from "#ffi/native.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";

/** What a workload may want to hear of; TSTP stops it together with us. */
const PASSED_ON = [SIG.HUP, SIG.INT, SIG.QUIT, SIG.TERM, SIG.USR1, SIG.USR2, SIG.WINCH, SIG.CONT, SIG.TSTP] as const;

/** The restorer begins at this offset of the handler's page. */
const RESTORER_AT = 64;
/** So many signals are read at once. */
const NOTES = 64;

export interface CaughtSignal {
  readonly signal: number;
  /** It came from the kernel: from a terminal, to everybody in its foreground. */
  readonly fromTerminal: boolean;
}

/** Signals that wait to be passed on. */
export interface Signals {
  /** Readable when there are some. */
  readonly descriptor: number;
  /** Those that came since the last time, in their order. Never waits. */
  take(): CaughtSignal[];
  /** For the next `take`: whoever took these did not pass them on. */
  putBack(signals: readonly CaughtSignal[]): void;
}

let caught: Signals | undefined;

/**
 * From here on these signals are caught, for as long as this process lives; one that was ignored stays so, as nohup(1)
 * wants it. Nothing of the runtime hears of them. Throws SystemError.
 */
export function catchSignals(): Signals {
  return (caught ??= installed());
}

function installed(): Signals {
  const memory = scratch(4096);
  const ends = memory.room(8);
  must("pipe2", ends.address, O.CLOEXEC | O.NONBLOCK);
  const view = new DataView(ends.bytes.buffer, ends.bytes.byteOffset, 8);
  // Out of the way of descriptors that a launch sorts.
  const [read, write] = [0, 4].map((at) => {
    const found = view.getInt32(at, true);
    const moved = must("fcntl", found, F.DUPFD_CLOEXEC, 32);
    call("close", found);
    return moved;
  }) as [number, number];
  const architecture = hostArchitecture();
  const { handler, restorer } = signalHandler(architecture, write);
  const page = native().map(4096);
  page.bytes.set(stubBytes(handler));
  page.bytes.set(stubBytes(restorer), RESTORER_AT);
  native().makeExecutable(page);
  const action = memory.room(SIGACTION_SIZE);
  const before = memory.room(SIGACTION_SIZE);
  const fields = new DataView(action.bytes.buffer, action.bytes.byteOffset, SIGACTION_SIZE);
  const old = new DataView(before.bytes.buffer, before.bytes.byteOffset, SIGACTION_SIZE);
  fields.setBigUint64(SIGACTION.handler, BigInt(page.address), true);
  const flags = SA.SIGINFO | SA.RESTART | SA.ONSTACK | (restorer.length > 0 ? SA.RESTORER : 0);
  fields.setBigUint64(SIGACTION.flags, BigInt(flags), true);
  if (restorer.length > 0) fields.setBigUint64(SIGACTION.restorer, BigInt(page.address + RESTORER_AT), true);
  for (const signal of PASSED_ON) {
    // SAFETY: the handler is code that keeps to the calling convention, in a page that is never unmapped.
    must("rt_sigaction", signal, action.address, before.address, SIGSET_SIZE);
    if (old.getBigUint64(SIGACTION.handler, true) === BigInt(SIG_IGN))
      must("rt_sigaction", signal, before.address, 0, SIGSET_SIZE);
  }
  const notes = memory.room(NOTES * SIGNAL_NOTE_SIZE);
  const note = new DataView(notes.bytes.buffer, notes.bytes.byteOffset, notes.bytes.length);
  let back: readonly CaughtSignal[] = [];
  const fresh = (): CaughtSignal[] => {
    const length = call("read", read, notes.address, notes.bytes.length);
    if (length < 0) return [];
    return Array.from({ length: Math.floor(length / SIGNAL_NOTE_SIZE) }, (_, index) => ({
      signal: note.getInt32(index * SIGNAL_NOTE_SIZE, true),
      fromTerminal: note.getInt32(index * SIGNAL_NOTE_SIZE + 8, true) === SI_KERNEL,
    }));
  };
  return {
    descriptor: read,
    take() {
      const all = [...back, ...fresh()];
      back = [];
      return all;
    },
    putBack: (signals) => {
      back = signals;
    },
  };
}
