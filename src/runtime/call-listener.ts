/**
 * The listener of a system call filter: it comes over a socket and tells of each call that the filter asks about; the
 * caller waits in the kernel until it is answered (seccomp_unotify(2)). Nothing here waits.
 */
import { EPOLL } from "#ffi/abi/epoll.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { O } from "#ffi/abi/fcntl.ts";
import { CMSG, MSG, messageHeader, MSGHDR } from "#ffi/abi/message.ts";
import {
  SECCOMP_DATA,
  SECCOMP_IOCTL_NOTIF,
  SECCOMP_NOTIF,
  SECCOMP_NOTIF_RESP,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
} from "#ffi/abi/seccomp.ts";
import { AF, SOCK } from "#ffi/abi/socket.ts";
import { callName } from "#ffi/abi/syscall-numbers.ts";
import { call, must } from "#ffi/call.ts";
import { native, type Region } from "#ffi/native.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { type Answer, type CallCounts, callCounts, type Decide } from "./denials.ts";

/** Calls answered in one turn: threads that flood us must not keep us from everybody else. */
const TURN = 16;
/** Calls taken up at once. */
const BATCH = 16;
/** As TURN for who has nobody else, and how long it waits for one more call: nanoseconds. */
const LONG_TURN = 1024;
const LINGER_NS = 1_000_000n;
/** How often a signal to us may interrupt one answer. */
const TRIES = 100;

/** Where things lie in this thread's memory. */
const AT = {
  poll: 0,
  vector: 16,
  byte: 32,
  time: 40,
  control: 64,
  header: 128,
  notification: 256,
  response: 512,
} as const;

interface Memory extends Region {
  readonly view: DataView;
}

let mapped: Memory | undefined;

function memory(): Memory {
  if (!mapped) {
    const region = native().map(4096);
    mapped = { ...region, view: new DataView(region.bytes.buffer, region.bytes.byteOffset, 4096) };
  }
  return mapped;
}

/** Two ends of a socket: one for the sandbox (`LaunchRequest.listener`), one for whoever answers. Throws SystemError. */
export function listenerSockets(): { ours: number; theirs: number } {
  const { address, view } = memory();
  must("socketpair", AF.UNIX, SOCK.STREAM | O.CLOEXEC, 0, address + AT.vector);
  return { ours: view.getInt32(AT.vector, true), theirs: view.getInt32(AT.vector + 4, true) };
}

/** The listener, close-on-exec and the caller's: "none" where it has not come yet, "gone" where it never will. */
export function takeListener(socket: number): number | "none" | "gone" {
  const { address, bytes, view } = memory();
  view.setBigUint64(AT.vector, BigInt(address + AT.byte), true);
  view.setBigUint64(AT.vector + 8, 1n, true);
  bytes.fill(0, AT.control, AT.control + CMSG.size);
  bytes.set(messageHeader({ vectors: 1, control: CMSG.size }), AT.header);
  view.setBigUint64(AT.header + MSGHDR.iov, BigInt(address + AT.vector), true);
  view.setBigUint64(AT.header + MSGHDR.control, BigInt(address + AT.control), true);
  // SAFETY: every pointer in the header leads into this thread's memory, which is never freed.
  const answer = call("recvmsg", socket, address + AT.header, MSG.DONTWAIT | MSG.CMSG_CLOEXEC);
  if (answer === -ERRNO.EAGAIN || answer === -ERRNO.EINTR) return "none";
  // Without room for one more descriptor the kernel drops it and says so (unix(7)).
  const whole = view.getBigUint64(AT.header + MSGHDR.controllen, true) >= BigInt(CMSG.length);
  return answer > 0 && whole ? view.getInt32(AT.control + CMSG.data, true) : "gone";
}

/** A call that waits for its answer. */
interface Asked {
  /** Rises by one with each call that asks. */
  readonly id: bigint;
  readonly number: number;
  readonly args: readonly bigint[];
}

/** Takes a call up: "none" where there is none within so many nanoseconds, "gone" where nobody is left to make one. */
function receive(listener: number, patienceNs: bigint): Asked | "none" | "gone" {
  const { address, bytes, view } = memory();
  // Asked first, because receiving waits for the next one. What is there now stays countable even if its caller dies
  // in between: then receiving answers ENOENT (kernel/seccomp.c, seccomp_notify_recv).
  view.setInt32(AT.poll, listener, true);
  view.setInt32(AT.poll + 4, EPOLL.IN, true);
  view.setBigUint64(AT.time, 0n, true);
  view.setBigUint64(AT.time + 8, patienceNs, true);
  // SAFETY: struct pollfd is 8 bytes, struct timespec 16, both ours; the events are the bits of epoll (poll.h).
  if (call("ppoll", address + AT.poll, 1, address + AT.time, 0, 8) <= 0) return "none";
  const events = view.getInt16(AT.poll + 6, true);
  // An error alone means that a signal interrupted the question.
  if (!(events & EPOLL.IN)) return events & EPOLL.HUP ? "gone" : "none";

  bytes.fill(0, AT.notification, AT.notification + SECCOMP_NOTIF.size);
  // SAFETY: the operation's number has the structure's size in it; the kernel writes that much and no more.
  const received = call("ioctl", listener, SECCOMP_IOCTL_NOTIF.RECV, address + AT.notification);
  if (received < 0) return received === -ERRNO.EINTR || received === -ERRNO.ENOENT ? "none" : "gone";
  const data = AT.notification + SECCOMP_NOTIF.data;
  return {
    id: view.getBigUint64(AT.notification + SECCOMP_NOTIF.id, true),
    number: view.getInt32(data + SECCOMP_DATA.nr, true),
    args: Array.from({ length: 6 }, (_, index) => view.getBigUint64(data + SECCOMP_DATA.args + index * 8, true)),
  };
}

/** Answers a call; false where its caller was interrupted by a signal, or killed. */
function respond(listener: number, id: bigint, answer: Answer): boolean {
  const { address, bytes, view } = memory();
  bytes.fill(0, AT.response, AT.response + SECCOMP_NOTIF_RESP.size);
  view.setBigUint64(AT.response + SECCOMP_NOTIF_RESP.id, id, true);
  if (answer === "continue")
    view.setUint32(AT.response + SECCOMP_NOTIF_RESP.flags, SECCOMP_USER_NOTIF_FLAG_CONTINUE, true);
  else view.setInt32(AT.response + SECCOMP_NOTIF_RESP.error, -answer, true);
  let sent: number = -ERRNO.EINTR;
  for (let tries = 0; sent === -ERRNO.EINTR && tries < TRIES; tries++)
    sent = call("ioctl", listener, SECCOMP_IOCTL_NOTIF.SEND, address + AT.response);
  return sent === 0;
}

/** One sandbox's calls in the hands of an event loop. */
export interface CallSupervisor {
  /** What to wait on until it is readable: the socket, from some turn on the listener; -1 when nothing more will come. */
  descriptor(): number;
  /** Answers what is there, up to a bound; the loop comes back for the rest, since the descriptor stays readable. */
  ready(): void;
  /** What was counted until now, to be asked at the end; undefined where no listener came, so that nothing is known. */
  counts(): CallCounts | undefined;
  /** How many calls were interrupted by a signal, or their callers killed, before they were answered. */
  missed(): number;
  close(): void;
}

export interface SupervisorOptions {
  /** Closes a descriptor, for a loop that must forget it too. */
  readonly drop?: (fd: number) => void;
  /** Each turn waits for one more call, up to a millisecond: the sooner a call is taken up, the less can interrupt it. */
  readonly alone?: boolean;
}

/** Waits for the listener on the socket, which is its own from now on, and answers what it tells of. */
export function superviseCalls(
  socket: number,
  decide: Decide,
  { drop = (fd) => void call("close", fd), alone = false }: SupervisorOptions = {},
): CallSupervisor {
  const architecture = hostArchitecture();
  const [turns, patience] = alone ? [LONG_TURN, LINGER_NS] : [TURN, 0n];
  let waited = socket;
  let missed = 0;
  let next: bigint | undefined;
  let counts: CallCounts | undefined;
  const put = (fd: number): void => {
    if (waited >= 0) drop(waited);
    waited = fd;
  };

  function take(): void {
    const listener = takeListener(waited);
    if (listener === "none") return;
    if (listener !== "gone") counts = callCounts();
    put(listener === "gone" ? -1 : listener);
  }

  /** All that is there first, and then the answers: what has been taken up no signal can interrupt (Linux 5.19). */
  function turn(listener: number, counted: CallCounts): number {
    const batch: Asked[] = [];
    let asked = receive(listener, patience);
    while (typeof asked === "object") {
      batch.push(asked);
      asked = batch.length < BATCH ? receive(listener, 0n) : "none";
    }
    for (const { id, number, args } of batch) {
      const answer = decide(callName(number, architecture), args);
      const arrived = respond(listener, id, answer);
      // One that did not arrive denied nothing: the call is made, and counted, again.
      if (arrived || answer === "continue") counted.add(number);
      if (!arrived) missed += 1;
      // Gone before it was taken up: of such a one only the gap tells.
      if (next !== undefined && id > next) missed += Number(id - next);
      next = id + 1n;
    }
    if (asked === "gone") put(-1);
    return batch.length;
  }

  return {
    descriptor: () => waited,
    ready() {
      if (waited < 0) return;
      if (!counts) return take();
      for (let handled = 0; handled < turns; ) {
        const answered = turn(waited, counts);
        if (answered === 0) return;
        handled += answered;
      }
    },
    counts() {
      // A short life may be over before anybody looked, and nothing was asked in it.
      if (!counts && waited >= 0) take();
      return counts;
    },
    missed: () => missed,
    close: () => put(-1),
  };
}
