/** The pump's thread: everything that may block, in one epoll loop. It ends with the `quit` command. */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { EPOLL, EPOLL_CTL, EPOLL_EVENT } from "#ffi/abi/epoll.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { O } from "#ffi/abi/fcntl.ts";
import { call, must, SystemError } from "#ffi/call.ts";
import { native } from "#ffi/native.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import type { Filter } from "#program/seccomp/filter.ts";
import { type Carrier, carry, type Source } from "./carrier.ts";
import { type CallSupervisor, listenerSockets, superviseCalls } from "../call-listener.ts";
import { denialsOf } from "../denials.ts";
import { launch, type Launched, type LaunchRequest } from "../launch.ts";
import { type Carry, type Command, type Launch, type PumpData, type PumpEvent, SLOT } from "./protocol.ts";

/** Bytes of one read: a pipe of ours full. */
const BUFFER = 256 * 1024;
const EVENTS = 256;
/** What an epoll event tells of: a slot's source, or the eventfd. */
const SOURCES = ["report", "stdout", "stderr", "calls"] as const satisfies readonly Source[];
const WAKE = 0xffff_ffff;

pump(workerData as PumpData);

function pump({ port, sizes, wake }: PumpData): void {
  const seam = native();
  const buffer = seam.map(BUFFER);
  const small = seam.map(4096);
  const layout = EPOLL_EVENT[hostArchitecture()];
  const events = seam.map(layout.size * EVENTS);
  const event = seam.map(layout.size);
  const eventsView = new DataView(events.bytes.buffer, events.bytes.byteOffset);
  const eventView = new DataView(event.bytes.buffer, event.bytes.byteOffset);
  const shared = new BigInt64Array(sizes);
  const carriers = new Map<number, Carrier>();
  const epoll = must("epoll_create1", O.CLOEXEC);

  function add(fd: number, tag: number): void {
    eventView.setUint32(0, EPOLL.IN, true);
    eventView.setUint32(layout.data, tag, true);
    must("epoll_ctl", epoll, EPOLL_CTL.ADD, fd, event.address);
  }

  const surroundings = {
    buffer,
    small,
    tell: (message: PumpEvent): void => port.postMessage(message),
    grown(slot: number, size: number, records: number): void {
      const at = slot * SLOT.length;
      Atomics.store(shared, at + SLOT.size, BigInt(size));
      Atomics.store(shared, at + SLOT.records, BigInt(records));
      if (Atomics.exchange(shared, at + SLOT.told, 1n) === 0n)
        port.postMessage({ kind: "grown", slot } satisfies PumpEvent);
    },
    drop(fd: number): void {
      // Closing alone is not enough: the tether has the same pipe open (epoll(7), Q6).
      call("epoll_ctl", epoll, EPOLL_CTL.DEL, fd, event.address);
      call("close", fd);
    },
    watch(fd: number, slot: number, source: Source): void {
      add(fd, slot * SOURCES.length + SOURCES.indexOf(source));
    },
  };

  function take(job: Carry, calls?: CallSupervisor): void {
    carriers.set(job.slot, carry(job, surroundings, calls));
    for (const source of ["report", "stdout", "stderr"] as const) {
      // A source may be gone already when a job is taken over: its pipe was closed by the job.
      if (job[source] >= 0) surroundings.watch(job[source], job.slot, source);
    }
    if (calls) surroundings.watch(calls.descriptor(), job.slot, "calls");
  }

  /** The socket goes in before the tether is there, so that no call is made that nobody would answer. */
  function launchWith(request: LaunchRequest, denials?: Filter): Launched & { readonly calls?: CallSupervisor } {
    if (!denials) return launch(request);
    const { ours, theirs } = listenerSockets();
    try {
      const launched = launch({ ...request, listener: theirs });
      return { ...launched, calls: superviseCalls(ours, denialsOf(denials), { drop: surroundings.drop }) };
    } catch (error) {
      call("close", ours);
      throw error;
    } finally {
      call("close", theirs);
    }
  }

  /** Here and not on the main thread, because clone3 with a new network namespace takes its time. */
  function begin({ request, denials, ...job }: Launch): void {
    const { slot } = job;
    try {
      const { pid, pidfd, calls, ...sources } = launchWith(request, denials);
      surroundings.tell({ kind: "launched", slot, pid, pidfd });
      take({ ...job, ...sources, kind: "carry" }, calls);
    } catch (error) {
      const { call: name, errnoName } = error instanceof SystemError ? error : { call: "launch", errnoName: "EIO" };
      call("close", job.data);
      call("close", job.index);
      surroundings.tell({ kind: "refused", slot, call: name, errno: errnoName });
    }
  }

  /** False when told to quit. */
  function obey(): boolean {
    call("read", wake, small.address, 8);
    for (let command = next(port); command; command = next(port)) {
      if (command.kind === "quit") return false;
      if (command.kind === "finish") {
        carriers.get(command.slot)?.finish();
        carriers.delete(command.slot);
        continue;
      }
      if (command.kind === "launch") begin(command);
      else take(command);
    }
    return true;
  }

  add(wake, WAKE);
  for (;;) {
    const count = call("epoll_pwait", epoll, events.address, EVENTS, -1, 0, 8);
    if (count < 0 && count !== -ERRNO.EINTR) throw new Error(`epoll_pwait: ${-count}`);
    for (let i = 0; i < count; i++) {
      const tag = eventsView.getUint32(i * layout.size + layout.data, true);
      if (tag === WAKE) {
        if (obey()) continue;
        for (const carrier of carriers.values()) carrier.letGo();
        call("close", epoll);
        return;
      }
      const slot = Math.floor(tag / SOURCES.length);
      const source = SOURCES[tag % SOURCES.length] ?? "report";
      // An event may be left over from a job that ended earlier in this round.
      if (carriers.get(slot)?.ready(source)) carriers.delete(slot);
    }
  }
}

function next(port: MessagePort): Command | undefined {
  return receiveMessageOnPort(port)?.message as Command | undefined;
}
