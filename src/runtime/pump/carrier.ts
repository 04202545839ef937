/** One job in the pump's hands: its report, its two pipes, its two files. */
import { ERRNO, errnoName } from "#ffi/abi/errno.ts";
import { call } from "#ffi/call.ts";
import type { Region } from "#ffi/native.ts";
import { decodeMessage, type Message, MESSAGE } from "#program/report.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import type { CallSupervisor } from "../call-listener.ts";
import { encodeRecord, type OutputStream, RECORD_BYTES, STDERR, STDOUT } from "../output-index.ts";
import type { Carry, PumpEvent } from "./protocol.ts";

/** What a carrier needs of the loop around it. */
export interface Surroundings {
  /** Where pipes are read into, where they cannot be spliced. */
  readonly buffer: Region;
  /** Room for one index record, one message, one file offset. */
  readonly small: Region;
  readonly tell: (event: PumpEvent) => void;
  /** Publishes sizes for the main thread. */
  readonly grown: (slot: number, size: number, records: number) => void;
  /** Takes a descriptor out of epoll and closes it. */
  readonly drop: (fd: number) => void;
  /** Waits for this descriptor as a source of the slot's. */
  readonly watch: (fd: number, slot: number, source: Source) => void;
}

export type Source = "report" | "stdout" | "stderr" | "calls";

type OutputSource = "stdout" | "stderr";

export interface Carrier {
  /** The source has something, or its other end is gone. True once the job has ended and everything is closed. */
  ready(source: Source): boolean;
  /** Ends it now, with what the pipes hold. */
  finish(): void;
  /** Closes everything and leaves the pipes as they are, for the next daemon. */
  letGo(): void;
}

/** splice(2) */
const SPLICE_F_NONBLOCK = 2;
/** Where in the small region splice finds the file's offset. */
const OFFSET_AT = 64;
/** A record costs disk too, 24 bytes for perhaps one: the index may grow to the limit, or to this where that is less. */
const INDEX_FLOOR = 1 << 20;
/** How often a full pipe is read again when the job has ended: a pipe holds at most 1 MiB unless root enlarged it. */
const DRAIN_ROUNDS = 100_000;

/** Takes a job over, and with it the descriptors of `calls`, where its denials are to be made and counted. */
export function carry(job: Carry, surroundings: Surroundings, calls?: CallSupervisor): Carrier {
  const { buffer, small, tell, grown, drop, watch } = surroundings;
  let { size, records } = job;
  /** Bytes of the data file that records tell of. */
  let covered = size;
  let last = job.lastNs;
  let full = false;
  const offset = new DataView(small.bytes.buffer, small.bytes.byteOffset + OFFSET_AT, 8);
  const open: Record<"report" | OutputSource, number> = { report: job.report, stdout: job.stdout, stderr: job.stderr };

  function close(source: "report" | OutputSource): void {
    if (open[source] >= 0) drop(open[source]);
    open[source] = -1;
  }

  function closeAll(): void {
    for (const source of ["report", "stdout", "stderr"] as const) close(source);
    calls?.close();
    call("close", job.data);
    call("close", job.index);
  }

  function limit(errno?: number): void {
    if (full) return;
    full = true;
    const pieces = errno === undefined && size < job.limit;
    tell({
      kind: "limit",
      slot: job.slot,
      ...(errno !== undefined && { errno: errnoName(errno) }),
      ...(pieces && { pieces }),
    });
  }

  /** Bytes that may still come: the limit is on the output, and the index may not grow beyond it either. */
  function room(): number {
    return records * RECORD_BYTES < Math.max(job.limit, INDEX_FLOOR) ? job.limit - size : 0;
  }

  /** Writes the record of everything that has none yet: data first, record after it, so a crash in between loses no byte. */
  function record(stream: OutputStream): void {
    if (covered === size) return;
    // Not performance.now(), which does not follow the clock when it is set.
    const now = BigInt(Date.now()) * 1_000_000n;
    if (now > last) last = now;
    encodeRecord(small.bytes, 0, covered, size - covered, stream, last);
    const answer = call("pwrite64", job.index, small.address, RECORD_BYTES, records * RECORD_BYTES);
    if (answer !== RECORD_BYTES) return limit(answer < 0 ? -answer : ERRNO.ENOSPC);
    covered = size;
    records += 1;
    grown(job.slot, size, records);
  }

  /** Moves once from the pipe to the file; false when there is nothing now. */
  function move(source: OutputSource): boolean {
    const fd = open[source];
    if (fd < 0) return false;
    if (full || room() <= 0) return discard(source);
    offset.setBigInt64(0, BigInt(size), true);
    // Not read and write: a byte leaves the pipe only when it is in the file, so KILL at any moment loses none.
    let answer = call(
      "splice",
      fd,
      0,
      job.data,
      small.address + OFFSET_AT,
      Math.min(buffer.bytes.length, room()),
      SPLICE_F_NONBLOCK,
    );
    // A file system without splice_write: only there could a daemon that is killed between the two lose a read.
    if (answer === -ERRNO.EINVAL) answer = copy(fd);
    if (answer > 0) {
      size += answer;
      record(source === "stdout" ? STDOUT : STDERR);
      return true;
    }
    if (answer === -ERRNO.EINTR) return true;
    if (answer === -ERRNO.EAGAIN) return false;
    if (answer === 0) close(source);
    else limit(-answer);
    return false;
  }

  /** Reads and writes; the answer is that of splice: bytes moved, or -errno. */
  function copy(fd: number): number {
    const length = call("read", fd, buffer.address, Math.min(buffer.bytes.length, room()));
    let written = 0;
    while (written < length) {
      const answer = call("pwrite64", job.data, buffer.address + written, length - written, size + written);
      if (answer <= 0 && answer !== -ERRNO.EINTR) {
        limit(-answer);
        return written;
      }
      if (answer > 0) written += answer;
    }
    return length;
  }

  /** Past the limit the job is being stopped; until then it must not hang on a full pipe. */
  function discard(source: OutputSource): boolean {
    const answer = call("read", open[source], buffer.address, buffer.bytes.length);
    if (answer > 0) limit();
    else if (answer !== -ERRNO.EAGAIN && answer !== -ERRNO.EINTR) close(source);
    return answer > 0 || answer === -ERRNO.EINTR;
  }

  function end(recorded: boolean): void {
    // Every process of the job is gone: what it wrote lies in the pipes, and nothing can follow.
    for (const source of ["stdout", "stderr"] as const) {
      for (let round = 0; round < DRAIN_ROUNDS && move(source); round++);
      record(source === "stdout" ? STDOUT : STDERR);
      close(source);
    }
    const denied = calls?.counts()?.list(hostArchitecture());
    closeAll();
    tell({ kind: "ended", slot: job.slot, recorded, ...(denied && { denied }) });
  }

  /** Reads a message of the tether: "none" when there is none yet, undefined when there will be no more. */
  function hear(): Message | "none" | undefined {
    const answer = call("read", open.report, small.address, MESSAGE.size);
    if (answer === -ERRNO.EAGAIN || answer === -ERRNO.EINTR) return "none";
    return answer === MESSAGE.size ? decodeMessage(small.bytes) : undefined;
  }

  /** One message of the tether; true when it was the last. */
  function report(): boolean {
    const message = hear();
    if (message === "none") return false;
    if (message?.kind === "started") tell({ kind: "started", slot: job.slot });
    else if (message?.kind === "failed")
      tell({ kind: "failed", slot: job.slot, step: message.step, errno: message.errno });
    else if (message?.kind === "ended") {
      end(true);
      return true;
    } else {
      // End of file: its were the only write ends. Those who are still to be killed may write until then.
      close("report");
      tell({ kind: "vanished", slot: job.slot });
    }
    return false;
  }

  /** Answers calls, and goes from the socket on to the listener that came over it. */
  function supervise(): void {
    if (!calls) return;
    const before = calls.descriptor();
    calls.ready();
    const now = calls.descriptor();
    if (now >= 0 && now !== before) watch(now, job.slot, "calls");
  }

  return {
    ready(source) {
      if (source === "report") return report();
      if (source === "calls") supervise();
      else move(source);
      return false;
    },
    finish() {
      // What the tether said while nobody listened comes first: that a step failed, above all.
      for (let message = open.report < 0 ? undefined : hear(); typeof message === "object"; message = hear())
        if (message.kind === "failed")
          tell({ kind: "failed", slot: job.slot, step: message.step, errno: message.errno });
      end(false);
    },
    letGo: closeAll,
  };
}
