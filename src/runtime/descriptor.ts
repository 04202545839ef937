/** Descriptors that change hands between the runtime's own bookkeeping and ours. */
import { closeSync } from "node:fs";
import { F } from "#ffi/abi/fcntl.ts";
import { must } from "#ffi/call.ts";

/**
 * A descriptor of the same open file that only we know of; the runtime's is closed. Needed where another thread closes
 * it with close(2): Deno keeps a table, in which the number would stay and stand in the way of the next file.
 */
export function takeFromRuntime(fd: number): number {
  try {
    return must("fcntl", fd, F.DUPFD_CLOEXEC, 0);
  } finally {
    closeSync(fd);
  }
}
