/**
 * Waits for a sandbox that this process launched, and does what is to be done meanwhile: passes signals on, ends it when
 * its time is up, serves whoever asks. One thread in ppoll(2): while nothing happens, nothing runs.
 */
import { EPOLL } from "#ffi/abi/epoll.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { CLD, P, SIGINFO, W } from "#ffi/abi/wait.ts";
import { call, type Scratch, scratch, SystemError } from "#ffi/call.ts";
import { decodeMessage, MESSAGE } from "#program/report.ts";
import type { Launched } from "../launch.ts";
import type { TetherEnd } from "../tether.ts";
import type { CaughtSignal, Signals } from "./signals.ts";
import { type Workload, workloadOf } from "./workload.ts";

/** Somebody else's descriptors that are waited for too; `ready` never waits. */
export interface Attended {
  descriptors(): readonly number[];
  ready(): void;
}

export interface AttendOptions {
  readonly signals?: Signals;
  /** The workload shares our terminal's session, and so gets what the terminal sends by itself. */
  readonly sameSession?: boolean;
  /** Milliseconds until the workload is asked to end, and from there until it is made to. */
  readonly timeoutMs?: number;
  readonly graceMs?: number;
  readonly also?: Attended;
  /** The workload runs. */
  readonly started?: (workload: Workload) => void;
}

/** What became of it; the tether is reaped. */
export interface Outcome {
  /** The workload ran. */
  readonly started: boolean;
  /** The step that failed before that; `errno` is positive. */
  readonly failure?: { readonly step: number; readonly errno: number };
  /** Its time was up. */
  readonly timedOut: boolean;
  readonly tether: TetherEnd;
}

/** `struct pollfd`: descriptor, events, what happened. */
const POLLFD = { size: 8, events: 4, revents: 6 } as const;
const MOST_DESCRIPTORS = 8;
/** From a KILL of the main process to one of its tether: only who was stopped needs that long. */
const LAST_RESORT_MS = 2000;

let arena: Scratch | undefined;

/** Waits to the end. Closes the report and reaps the tether; its pidfd stays the caller's. */
export function attend(launched: Launched, options: AttendOptions): Outcome {
  arena ??= scratch(4096);
  arena.reset();
  const polled = arena.room(MOST_DESCRIPTORS * POLLFD.size);
  const poll = new DataView(polled.bytes.buffer, polled.bytes.byteOffset, polled.bytes.length);
  const time = arena.room(16);
  const timespec = new DataView(time.bytes.buffer, time.bytes.byteOffset, 16);
  const messages = arena.room(MESSAGE.size * 8);
  const workload = workloadOf(launched.pid);
  const { signals, also, sameSession = false } = options;

  let begun = false;
  let failure: Outcome["failure"];
  let over = false;
  let timedOut = false;
  let alarm: { readonly at: number; readonly ring: () => void } | undefined;
  let held: readonly CaughtSignal[] = [];

  const after = (milliseconds: number, ring: () => void): void => {
    alarm = { at: performance.now() + milliseconds, ring };
  };
  const killTether = (): void => void call("pidfd_send_signal", launched.pidfd, SIG.KILL, 0, 0);
  const kill = (): void => {
    // The main process alone: its tether then kills whatever is left and still writes the record.
    if (!workload.signal(SIG.KILL)) killTether();
    after(LAST_RESORT_MS, killTether);
  };
  if (options.timeoutMs !== undefined)
    after(options.timeoutMs, () => {
      timedOut = true;
      if (!begun || !workload.signal(SIG.TERM)) return kill();
      // Stopped as it may be: it has to run to hear of it.
      workload.signal(SIG.CONT);
      after(options.graceMs ?? 0, kill);
    });

  const deliver = (signal: number): void => {
    if (signal !== SIG.TSTP) return void workload.signal(signal);
    // In a session of its own nobody would stop it at TSTP (credentials(7), orphaned process groups): both of us stop here.
    workload.signal(SIG.STOP);
    call("kill", call("getpid"), SIG.STOP);
    workload.signal(SIG.CONT);
  };
  const passOn = (): void => {
    const taken = [...held, ...(signals?.take() ?? [])];
    held = begun ? [] : taken;
    if (begun) for (const { signal, fromTerminal } of taken) if (!(sameSession && fromTerminal)) deliver(signal);
  };
  const hear = (): void => {
    const length = call("read", launched.report, messages.address, messages.bytes.length);
    if (length === 0) over = true;
    if (length < 0 && length !== -ERRNO.EAGAIN && length !== -ERRNO.EINTR) throw new SystemError("read", -length);
    for (let at = 0; at + MESSAGE.size <= length; at += MESSAGE.size) {
      const message = decodeMessage(messages.bytes.subarray(at, at + MESSAGE.size));
      if (message?.kind === "failed") failure ??= { step: message.step, errno: message.errno };
      if (message?.kind === "ended") over = true;
      // Said of a workload that failed on its way too: it is no longer there.
      if (message?.kind !== "started" || failure) continue;
      begun = true;
      options.started?.(workload);
      // What was heard before, this process or its earlier attempt.
      passOn();
    }
  };

  for (;;) {
    const asked = also?.descriptors() ?? [];
    const descriptors = [launched.report, ...(signals ? [signals.descriptor] : []), ...asked];
    descriptors.forEach((fd, index) => {
      poll.setInt32(index * POLLFD.size, fd, true);
      poll.setInt16(index * POLLFD.size + POLLFD.events, EPOLL.IN, true);
    });
    if (alarm) setTime(timespec, Math.max(0, alarm.at - performance.now()));
    const answer = call("ppoll", polled.address, descriptors.length, alarm ? time.address : 0, 0, 8);
    if (answer < 0 && answer !== -ERRNO.EINTR) throw new SystemError("ppoll", -answer);
    const happened = (index: number): boolean =>
      answer > 0 && poll.getInt16(index * POLLFD.size + POLLFD.revents, true) !== 0;
    if (alarm && performance.now() >= alarm.at) {
      const { ring } = alarm;
      alarm = undefined;
      ring();
    }
    if (asked.length > 0 && descriptors.some((fd, index) => asked.includes(fd) && happened(index))) also?.ready();
    if (happened(0)) hear();
    if (over) break;
    if (signals && happened(1)) passOn();
  }
  signals?.putBack(held);
  const tether = reap(launched.pidfd, arena);
  workload.close();
  call("close", launched.report);
  return { started: begun, ...(failure && { failure }), timedOut, tether };
}

function setTime(timespec: DataView, milliseconds: number): void {
  const whole = Math.floor(milliseconds / 1000);
  timespec.setBigInt64(0, BigInt(whole), true);
  timespec.setBigInt64(8, BigInt(Math.round((milliseconds - whole * 1000) * 1e6)), true);
}

/** Waits until it is gone, and with it everything in its pid namespace (pid_namespaces(7)). */
function reap(pidfd: number, memory: Scratch): TetherEnd {
  const info = memory.room(SIGINFO.size);
  for (;;) {
    const answer = call("waitid", P.PIDFD, pidfd, info.address, W.EXITED);
    if (answer === -ERRNO.EINTR) continue;
    if (answer < 0) throw new SystemError("waitid", -answer);
    const view = new DataView(info.bytes.buffer, info.bytes.byteOffset, SIGINFO.size);
    const status = view.getInt32(SIGINFO.status, true);
    return view.getInt32(SIGINFO.code, true) === CLD.EXITED ? { exitCode: status } : { signal: status };
  }
}
