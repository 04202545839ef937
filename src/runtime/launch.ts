/**
 * From an assembled tether to a running one: descriptors, a sealed memfd, one clone3.
 *
 * With the host's privileges the thread is blocked from clone3 until the tether's execve (CLONE_VFORK). An ordinary user
 * has to make a user namespace first, and its maps must be written, from outside, before the execve, or the tether has
 * no capability in it (user_namespaces(7)): then the child waits in a read. What the tether does after that is told by
 * its report pipe.
 */
import { CLONE } from "#ffi/abi/clone.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { AT, F, F_SEAL, O } from "#ffi/abi/fcntl.ts";
import { MFD } from "#ffi/abi/memfd.ts";
import { PR } from "#ffi/abi/prctl.ts";
import { SIG } from "#ffi/abi/signal.ts";
import { call, must, type Scratch, scratch, SystemError } from "#ffi/call.ts";
import { child, type Child, type ChildCall, words } from "#ffi/child.ts";
import { writeText } from "#ffi/files.ts";
import { TETHER_FD } from "#program/descriptors.ts";
import type { IdMapLine, IdMaps } from "#spec/facts.ts";

/** Descriptors that the child sorts must not lie where it sorts them to: ours are at least this. */
const FIRST_OWN_FD = 32;
/** Bytes of a pipe: one read of the pump takes a full one. The default is 64 KiB (pipe(7)). */
const PIPE_BYTES = 256 * 1024;
/** Bytes for the arguments of a launch's calls. */
const ARENA = 64 * 1024;
/** Bytes of a tether written at once. */
const PIECE = 32 * 1024;

/** Read ends that the caller owns from now on, all close-on-exec; those of pipes are non-blocking. */
export interface Launched {
  /** The tether as this process numbers it; its parent is this process, so nobody else can reap it. */
  readonly pid: number;
  readonly pidfd: number;
  readonly report: number;
  /** -1 where the workload writes to the caller's own. */
  readonly stdout: number;
  readonly stderr: number;
}

/** Descriptors in a request are still the caller's afterwards. */
export interface LaunchRequest {
  /** The tether's executable, from `assemble`. */
  readonly tether: Uint8Array;
  /** `CLONE_NEW*` */
  readonly namespaces: number;
  /** Where the exit record goes: a writable descriptor. */
  readonly record: number;
  /** What the workload reads: a readable descriptor. */
  readonly stdin: number;
  /** What it writes to; pipes, which the tether keeps open too, where it is left out. */
  readonly output?: { readonly stdout: number; readonly stderr: number };
  /** The job's cgroup: its v2 directory, then its v1 `tasks` files. */
  readonly cgroup: readonly number[];
  /** v2 directory that the tether itself is born into, apart from its job. */
  readonly tetherCgroup?: number;
  /** The ids of the tether's own user namespace, where `namespaces` has CLONE_NEWUSER. */
  readonly ids?: IdMaps;
  /** Writes them for the process with this pid, where that takes more rights than ours. Throws what it likes. */
  readonly writeIds?: (pid: number) => void;
  /** A user namespace with the job's ids, for its id-mapped mounts. */
  readonly idmap?: number;
  /** A user namespace in which no file has an owner, for the host's tree. */
  readonly unowned?: number;
  /** A socket that takes the listener of the workload's system call filter. */
  readonly listener?: number;
  /** The tether dies with this thread. */
  readonly bound?: boolean;
  /** The vector that its program leaves to be passed. */
  readonly passed?: readonly string[];
}

/**
 * What every tether must have of its own. Its program makes the root read-only and covers /proc, and at the end it
 * kills every process that it can see: started in the host's namespaces it would do all that to the host.
 */
const INDISPENSABLE = CLONE.NEWPID | CLONE.NEWNS;

let arena: Scratch | undefined;

/** Starts a tether. Throws SystemError; nothing is left open or running then. EINVAL without namespaces of its own. */
export function launch(request: LaunchRequest): Launched {
  if ((request.namespaces & INDISPENSABLE) !== INDISPENSABLE) throw new SystemError("clone3", ERRNO.EINVAL);
  const { passed = [] } = request;
  const length = passed.reduce((sum, word) => sum + 3 * word.length + 16, 0);
  arena ??= scratch(ARENA);
  arena.reset();
  const memory = length < ARENA / 2 ? arena : scratch(ARENA + length);
  const open: number[] = [];
  const own = (fd: number): number => {
    open.push(fd);
    return fd;
  };
  const ownPipe = (size?: number): [number, number] => pipe(memory, size).map(own) as [number, number];
  /** Closed now, and not once more at the end: the number may be somebody else's by then. */
  const drop = (fd: number): void => {
    open.splice(open.indexOf(fd), 1);
    call("close", fd);
  };
  try {
    // First of all: it uses the arena up and starts over.
    const tether = own(sealed(memory, request.tether));
    const report = ownPipe();
    const [stdout, stderr] = request.output ? [] : [ownPipe(PIPE_BYTES), ownPipe(PIPE_BYTES)];
    const sorted: [source: number | undefined, target: number][] = [
      [request.stdin, TETHER_FD.stdin],
      [request.output?.stdout ?? stdout?.[1], TETHER_FD.stdout],
      [request.output?.stderr ?? stderr?.[1], TETHER_FD.stderr],
      [report[1], TETHER_FD.report],
      [request.record, TETHER_FD.record],
      [stdout?.[0], TETHER_FD.stdoutRead],
      [stderr?.[0], TETHER_FD.stderrRead],
      // Held by its parent alone, so that the tether notices when that is gone.
      [request.bound ? undefined : report[0], TETHER_FD.reportRead],
      [request.idmap, TETHER_FD.idmap],
      [request.listener, TETHER_FD.listener],
      [request.unowned, TETHER_FD.unowned],
      ...request.cgroup.map((fd, index): [number, number] => [fd, TETHER_FD.cgroup + index]),
    ];
    const sorting = sorted.flatMap(([source, target]): ChildCall[] => {
      if (source === undefined) return [];
      // The caller's own may be low: the copies that move them out of the way go with the rest.
      const moved = source >= FIRST_OWN_FD ? source : own(must("fcntl", source, F.DUPFD_CLOEXEC, FIRST_OWN_FD));
      return [["dup3", moved, target, 0]];
    });
    const empty = memory.text("");
    const argv = memory.bytes(words(...["tele-tether", ...passed].map((word) => memory.text(word)), 0));
    const calls: ChildCall[] = [
      ...(request.bound ? [["prctl", PR.SET_PDEATHSIG, SIG.KILL, 0, 0, 0] as const] : []),
      // What somebody left open for us, by accident, where ours will be.
      ["close_range", TETHER_FD.stdin, FIRST_OWN_FD - 1, 0],
      ...sorting,
      ["execveat", tether, empty, argv, memory.bytes(words(0)), AT.EMPTY_PATH],
    ];
    const born = request.ids
      ? bornMapped(memory, request, request.ids, calls, { ownPipe, drop })
      : bornAtOnce(memory, request, calls);
    const given = [report[0], stdout?.[0], stderr?.[0]].filter((fd) => fd !== undefined);
    for (const fd of given) {
      must("fcntl", fd, F.SETFL, O.NONBLOCK);
      open.splice(open.indexOf(fd), 1);
    }
    return { ...born, report: report[0], stdout: stdout?.[0] ?? -1, stderr: stderr?.[0] ?? -1 };
  } finally {
    for (const fd of open) call("close", fd);
  }
}

/** CLONE_VFORK holds this thread until the child has left our memory. */
function bornAtOnce(
  memory: Scratch,
  request: LaunchRequest,
  calls: readonly ChildCall[],
): Pick<Child, "pid" | "pidfd"> {
  const born = child(memory, {
    flags: CLONE.VFORK | request.namespaces,
    calls,
    ...(request.tetherCgroup !== undefined && { cgroup: request.tetherCgroup }),
  });
  return settled(born);
}

/** The child waits until its maps are written; this thread then waits until it has left our memory. */
function bornMapped(
  memory: Scratch,
  request: LaunchRequest,
  ids: IdMaps,
  calls: readonly ChildCall[],
  { ownPipe, drop }: { ownPipe: () => [number, number]; drop: (fd: number) => void },
): Pick<Child, "pid" | "pidfd"> {
  const go = ownPipe();
  const begun = ownPipe();
  const byte = memory.room(8);
  const born = child(memory, {
    flags: request.namespaces,
    calls: [
      // Its own write end would keep the read below waiting if we died now; without us it goes on, and fails.
      ["close", go[1]],
      ["read", go[0], byte.address, 1],
      ...calls,
    ],
    ...(request.tetherCgroup !== undefined && { cgroup: request.tetherCgroup }),
  });
  let refused: Error | undefined;
  try {
    if (request.writeIds) request.writeIds(born.pid);
    else writeMaps(born.pid, ids);
  } catch (error) {
    call("pidfd_send_signal", born.pidfd, SIG.KILL, 0, 0);
    refused = error as Error;
  }
  must("write", go[1], byte.address, 1);
  drop(begun[1]);
  // End of file: its execve, or its end, has closed the other copy.
  call("read", begun[0], byte.address, 1);
  if (refused === undefined) return settled(born);
  born.reap();
  throw refused;
}

/** The child, or what it could not do; it is reaped then. */
function settled(born: Child): Pick<Child, "pid" | "pidfd"> {
  const failure = born.failure();
  if (!failure) return { pid: born.pid, pidfd: born.pidfd };
  // A zombie by now: whatever it could not do, it left at once.
  born.reap();
  throw failure;
}

/** One id of one's own may be mapped by anybody, where the supplementary groups are frozen first (user_namespaces(7)). */
function writeMaps(pid: number, { uids, gids }: IdMaps): void {
  const write = (file: string, text: string): void => {
    try {
      writeText(`/proc/${pid}/${file}`, text);
    } catch (error) {
      throw error instanceof SystemError ? new SystemError(file, error.errno) : error;
    }
  };
  write("setgroups", "deny");
  write("uid_map", mapText(uids));
  write("gid_map", mapText(gids));
}

function mapText(lines: readonly IdMapLine[]): string {
  return lines.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join("");
}

/** A pipe whose ends are both out of the way of the tether's descriptors. */
function pipe(memory: Scratch, size?: number): [read: number, write: number] {
  const ends = memory.room(8);
  must("pipe2", ends.address, O.CLOEXEC);
  const view = new DataView(ends.bytes.buffer, ends.bytes.byteOffset);
  const found = [view.getInt32(0, true), view.getInt32(4, true)] as const;
  const read = outOfTheWay(found[0], found[1]);
  const write = outOfTheWay(found[1], read);
  // Refused where the user's pipe memory is used up (pipe(7)): then it keeps its 64 KiB.
  if (size !== undefined) call("fcntl", read, F.SETPIPE_SZ, size);
  return [read, write];
}

/** A memfd with these bytes that nobody, the tether included, can change any more (CVE-2019-5736 needs a writable one). */
function sealed(memory: Scratch, bytes: Uint8Array): number {
  const name = memory.text("tele-tether");
  let fd = call("memfd_create", name, MFD.CLOEXEC | MFD.ALLOW_SEALING | MFD.EXEC);
  // MFD_EXEC is known since Linux 6.3.
  if (fd === -ERRNO.EINVAL) fd = must("memfd_create", name, MFD.CLOEXEC | MFD.ALLOW_SEALING);
  if (fd < 0) throw new SystemError("memfd_create", -fd);
  try {
    // In pieces, because a program with a megabyte of arguments does not fit into the arena.
    for (let written = 0; written < bytes.length; ) {
      const piece = bytes.subarray(written, written + PIECE);
      written += must("write", fd, memory.bytes(piece), piece.length);
      memory.reset();
    }
    must("fcntl", fd, F.ADD_SEALS, F_SEAL.SEAL | F_SEAL.SHRINK | F_SEAL.GROW | F_SEAL.WRITE);
  } catch (error) {
    call("close", fd);
    throw error;
  }
  return outOfTheWay(fd);
}

/** The same descriptor under a number that is none of the tether's. Where there is none left, `others` are closed too. */
function outOfTheWay(fd: number, ...others: number[]): number {
  if (fd >= FIRST_OWN_FD) return fd;
  const moved = call("fcntl", fd, F.DUPFD_CLOEXEC, FIRST_OWN_FD);
  if (moved < 0) for (const other of others) call("close", other);
  call("close", fd);
  if (moved < 0) throw new SystemError("fcntl", -moved);
  return moved;
}
