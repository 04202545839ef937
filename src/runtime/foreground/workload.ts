/** The workload's main process, for signals: found among the children of its tether, held by a pidfd. */
import { ERRNO } from "#ffi/abi/errno.ts";
import { call } from "#ffi/call.ts";
import { readText } from "#ffi/files.ts";

/** Whoever started the sandbox may signal what runs in it, though nobody may take descriptors from its tether (ptrace(2)). */
export interface Workload {
  /** Its pid as this process numbers it; undefined when it is gone. */
  pid(): number | undefined;
  /** False when it is gone. */
  signal(signal: number): boolean;
  close(): void;
}

/** The main process of the tether with this pid, which must not be reaped meanwhile. */
export function workloadOf(tether: number): Workload {
  let pidfd = -1;
  let found: number | undefined;
  const hold = (): number => {
    if (pidfd >= 0) return pidfd;
    const pid = firstChild(tether);
    if (pid === undefined) return -ERRNO.ESRCH;
    const opened = call("pidfd_open", pid, 0);
    if (opened < 0) return opened;
    // Asked again: from here on the pidfd holds whoever has that number, and it still is the tether's child.
    if (firstChild(tether) !== pid) {
      call("close", opened);
      return -ERRNO.ESRCH;
    }
    found = pid;
    return (pidfd = opened);
  };
  return {
    pid: () => (hold() < 0 ? undefined : found),
    signal(signal) {
      const fd = hold();
      return fd >= 0 && call("pidfd_send_signal", fd, signal, 0, 0) === 0;
    },
    close() {
      if (pidfd >= 0) call("close", pidfd);
      pidfd = -1;
    },
  };
}

/** The main process comes first: orphans join a tether's children behind it (proc_pid_task_tid_children(5)). */
function firstChild(tether: number): number | undefined {
  let list: string;
  try {
    list = readText(`/proc/${tether}/task/${tether}/children`);
  } catch {
    return undefined;
  }
  const pid = Number.parseInt(list, 10);
  return pid > 0 ? pid : undefined;
}
