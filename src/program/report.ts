/** What a tether writes: messages on its report pipe, and the exit record. Little-endian, both machines. */
import { errnoName } from "#ffi/abi/errno.ts";
import { RUSAGE } from "#ffi/abi/resource.ts";
import { CLD, SIGINFO } from "#ffi/abi/wait.ts";
import type { Step } from "./step.ts";

/** A message: { kind, step, answer }, 64 bits each; shorter than PIPE_BUF, so never torn (pipe(7)). */
export const MESSAGE = { size: 24, kind: 0, step: 8, answer: 16 } as const;
export const MESSAGE_KIND = { failed: 1, started: 2, ended: 3 } as const;

/** The exit record: its bytes and offsets. `start` and `end` are `struct timespec` of CLOCK_REALTIME. */
export const RECORD = {
  size: 40 + SIGINFO.size + RUSAGE.size,
  magic: 0,
  version: 4,
  start: 8,
  end: 24,
  info: 40,
  usage: 40 + SIGINFO.size,
} as const;
/** "TELE" */
export const RECORD_MAGIC = 0x454c4554;
export const RECORD_VERSION = 1;

export type Message =
  | { readonly kind: "started" }
  | { readonly kind: "ended" }
  /** `errno` is positive. */
  | { readonly kind: "failed"; readonly step: number; readonly errno: number };

/** How the workload's main process ended, in its tether's words. */
export interface ExitRecord {
  /** Nanoseconds since the epoch. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Set when it exited. */
  readonly exitCode?: number;
  /** Number of the signal that killed it. */
  readonly signal?: number;
  readonly coreDumped: boolean;
  /** Of the main process and everything that the tether reaped. */
  readonly userUs: number;
  readonly systemUs: number;
  readonly maxRssBytes: number;
}

/** Takes one message apart; undefined for bytes that no tether of ours writes. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.length < MESSAGE.size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  switch (Number(view.getBigInt64(MESSAGE.kind, true))) {
    case MESSAGE_KIND.started:
      return { kind: "started" };
    case MESSAGE_KIND.ended:
      return { kind: "ended" };
    case MESSAGE_KIND.failed:
      return {
        kind: "failed",
        step: Number(view.getBigInt64(MESSAGE.step, true)),
        errno: -Number(view.getBigInt64(MESSAGE.answer, true)),
      };
    default:
      return undefined;
  }
}

/** Takes an exit record apart; undefined where there is none (an empty file) or another version's. */
export function decodeRecord(bytes: Uint8Array): ExitRecord | undefined {
  if (bytes.length < RECORD.size) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(RECORD.magic, true) !== RECORD_MAGIC || view.getUint32(RECORD.version, true) !== RECORD_VERSION)
    return undefined;
  const time = (at: number): bigint => view.getBigInt64(at, true) * 1_000_000_000n + view.getBigInt64(at + 8, true);
  const micros = (at: number): number =>
    Number(view.getBigInt64(at, true)) * 1e6 + Number(view.getBigInt64(at + 8, true));
  const code = view.getInt32(RECORD.info + SIGINFO.code, true);
  const status = view.getInt32(RECORD.info + SIGINFO.status, true);
  return {
    startNs: time(RECORD.start),
    endNs: time(RECORD.end),
    ...(code === CLD.EXITED ? { exitCode: status } : { signal: status }),
    coreDumped: code === CLD.DUMPED,
    userUs: micros(RECORD.usage + RUSAGE.utimeSeconds),
    systemUs: micros(RECORD.usage + RUSAGE.stimeSeconds),
    maxRssBytes: Number(view.getBigInt64(RECORD.usage + RUSAGE.maxrss, true)) * 1024,
  };
}

/** Which step failed, and how: `pivot.swap: pivot_root(".", "."): EINVAL` once a listing has shown the call. */
export interface Blame {
  readonly step: string;
  readonly call: Step["call"];
  readonly errno: string;
}

/** Turns a failure into the step to blame. */
export function blame(steps: readonly Step[], failure: { step: number; errno: number }): Blame {
  const step = steps[failure.step];
  if (!step) throw new RangeError(`a failure names step ${failure.step} of ${steps.length}`);
  return { step: step.label, call: step.call, errno: errnoName(failure.errno) };
}
