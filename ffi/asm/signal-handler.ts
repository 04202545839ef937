/**
 * A signal handler that needs nothing of the runtime: it writes the first 16 bytes of its `siginfo_t` to a descriptor
 * and returns. So it may run in whichever thread the kernel chooses, while this one waits in ppoll(2)
 * (signal-safety(7): write(2) may be called). A test gives the text to the assembler and expects the same bytes.
 */
import type { Architecture } from "../syscalls.ts";
import type { Instruction } from "./stubs.ts";

export interface SignalHandler {
  readonly handler: readonly Instruction[];
  /** Where the handler returns to (sigreturn(2)); aarch64's kernel brings its own. */
  readonly restorer: readonly Instruction[];
}

/** Bytes of what is written: `si_signo`, `si_errno`, `si_code` and padding. */
export const SIGNAL_NOTE_SIZE = 16;

/** The handler that writes to this descriptor. */
export function signalHandler(architecture: Architecture, fd: number): SignalHandler {
  if (architecture === "x86_64")
    return {
      // rsi is the siginfo_t already.
      handler: [
        [`mov edi, ${fd}`, `bf${littleEndian(fd)}`],
        [`mov edx, ${SIGNAL_NOTE_SIZE}`, "ba10000000"],
        ["mov eax, 1", "b801000000"],
        ["syscall", "0f05"],
        ["ret", "c3"],
      ],
      restorer: [
        ["mov eax, 15", "b80f000000"],
        ["syscall", "0f05"],
      ],
    };
  return {
    handler: [
      [`mov x0, #${fd}`, littleEndian((0xd280_0000 | (fd << 5)) >>> 0)],
      [`mov x2, #${SIGNAL_NOTE_SIZE}`, "020280d2"],
      ["mov x8, #64", "080880d2"],
      ["svc #0", "010000d4"],
      ["ret", "c0035fd6"],
    ],
    restorer: [],
  };
}

function littleEndian(word: number): string {
  return [0, 8, 16, 24].map((shift) => ((word >>> shift) & 0xff).toString(16).padStart(2, "0")).join("");
}
