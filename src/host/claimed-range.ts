/** Ids for a sandbox without a daemon: nobody keeps records, so a lock says that they are in use. */
import { TeleError } from "#errors";
import { ERRNO, errnoName } from "#ffi/abi/errno.ts";
import { LOCK, O } from "#ffi/abi/fcntl.ts";
import { call, SystemError } from "#ffi/call.ts";
import { makePrivateDirectory, openBelow } from "#ffi/files.ts";
import { CLAIMED_START, hasIds, type HostIds, IDS_PER_JOB, type IdRange, readHostIds } from "./id-ranges.ts";

/** Where the locks of a host are. */
export const CLAIMS_DIRECTORY = "/run/tele/ranges";
/** Up to 2^31: beyond it some file systems and programs take ids for negative numbers. */
const SLOTS = (2 ** 31 - CLAIMED_START) / IDS_PER_JOB;

export interface ClaimedRange extends IdRange {
  /** Gives the range back before this process ends. */
  release(): void;
}

/**
 * Claims a range of its own for this process, from 2^30 on, until it is released or the process is gone, however it
 * ends: the claim is a flock(2), which the kernel drops with the last descriptor. RESOURCE_EXHAUSTED when all are
 * claimed; FAILED_PRECONDITION where our user namespace lacks those ids or the directory cannot be used. `own` are the
 * ids that we have ourselves.
 */
export function claimRange(
  directory: string = CLAIMS_DIRECTORY,
  own: Pick<HostIds, "uidMap" | "gidMap"> | "all" = readHostIds(),
): ClaimedRange {
  for (let slot = 0; slot < SLOTS; slot++) {
    const range = { start: CLAIMED_START + slot * IDS_PER_JOB, count: IDS_PER_JOB };
    if (own !== "all" && !hasIds(own, range)) throw noIds(range);
    const fd = claim(directory, String(slot));
    if (fd === undefined) continue;
    let held = true;
    return {
      ...range,
      release() {
        if (held) call("close", fd);
        held = false;
      },
    };
  }
  throw new TeleError("RESOURCE_EXHAUSTED", {
    detail: `all ${SLOTS} ranges of ids for sandboxes without a daemon are in use`,
    hint: "wait until some of them have ended",
  });
}

/** A descriptor that holds the lock of a slot, closed by execve(2); undefined when another holds it. */
function claim(directory: string, name: string): number | undefined {
  // Never unlinked: whoever waits for the lock of a file that is no longer there would hold nothing.
  const fd = openClaim(directory, name);
  const answer = call("flock", fd, LOCK.EX | LOCK.NB);
  if (answer === 0) return fd;
  call("close", fd);
  if (answer === -ERRNO.EAGAIN) return undefined;
  throw new SystemError("flock", -answer);
}

function openClaim(directory: string, name: string): number {
  const open = (): number => openBelow(directory, name, O.RDWR | O.CREAT, 0o600);
  let fd = open();
  if (fd === -ERRNO.ENOENT) {
    const parent = directory.slice(0, directory.lastIndexOf("/"));
    fd = [parent, directory].map(makePrivateDirectory).find((answer) => answer < 0) ?? open();
  }
  if (fd >= 0) return fd;
  const errno = errnoName(fd);
  throw new TeleError("FAILED_PRECONDITION", {
    detail: `${directory}/${name}: ${errno}`,
    errno,
    hint: "ids are claimed with files there: make it a directory that root can write to",
  });
}

function noIds({ start, count }: IdRange): TeleError {
  return new TeleError("FAILED_PRECONDITION", {
    detail: `the ids ${start} to ${start + count - 1} are not there in this user namespace`,
    hint: "map them into its container, or keep the host's ids with '--userns host'",
  });
}
