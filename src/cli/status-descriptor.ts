/** `--status-fd`: lines of JSON for whoever started us, on a descriptor that they opened. */
import { ERRNO } from "#ffi/abi/errno.ts";
import { F, O } from "#ffi/abi/fcntl.ts";
import { call, SystemError } from "#ffi/call.ts";
import { readLink, writeDescriptor } from "#ffi/files.ts";
import { usageError } from "./usage-error.ts";

/** What the two low bits of the flags of an open file say (fcntl(2), F_GETFL). */
const ACCESS_MODE = 0o3;

/** Says one thing; a reader that is gone is no fault. INVALID_ARGUMENT where this is no descriptor of theirs. */
export function openStatus(text: string): (event: unknown) => void {
  const hint = "open it first, as in: tele run --status-fd 3 3>status.json -- COMMAND";
  if (!/^\d{1,9}$/.test(text))
    throw usageError(`--status-fd must be the number of a descriptor, not ${JSON.stringify(text)}`, hint);
  const fd = Number(text);
  const flags = call("fcntl", fd, F.GETFL);
  // What our own runtime has opened at that number is of these kinds.
  if (flags < 0 || readLink(`/proc/self/fd/${fd}`).startsWith("anon_inode:"))
    throw usageError(`--status-fd ${fd} is not open`, hint);
  if ((flags & ACCESS_MODE) === O.RDONLY) throw usageError(`--status-fd ${fd} is open for reading only`, hint);
  return (event) => {
    try {
      writeDescriptor(fd, Buffer.from(`${JSON.stringify(event)}\n`));
    } catch (error) {
      if (!(error instanceof SystemError) || error.errno !== ERRNO.EPIPE) throw error;
    }
  };
}
