/** Descriptors of a tether: fixed numbers, so that the next daemon finds them with pidfd_getfd(2) alone. */
export const TETHER_FD = {
  stdin: 0,
  /** The workload's stdout and stderr: write ends. The tether closes its own once the workload has them. */
  stdout: 1,
  stderr: 2,
  /** Write end of the report: births, failures, ends (`report.ts`). */
  report: 3,
  /** The file that the exit record goes to. */
  record: 4,
  /** Read ends, held open while no daemon is there: the job blocks when they are full, and nothing is lost. */
  stdoutRead: 5,
  stderrRead: 6,
  reportRead: 7,
  /** A pidfd of the workload's main process. */
  main: 8,
  /** A semaphore (eventfd(2)): the workload waits there for its tether, first for its ids, then for its leave to begin. */
  go: 9,
  /** A pipe that the workload's execve closes, and that tells the tether so. */
  begunRead: 10,
  begunWrite: 11,
  /** User namespace whose maps are the job's, for id-mapped mounts; only where the job asks for one. */
  idmap: 12,
  /** Socket that takes the listener of the workload's system call filter; only where denials are to be reported. */
  listener: 13,
  /** User namespace in which no file has an owner, for the host's tree; only where its file system can be id-mapped. */
  unowned: 14,
  /** From here on: the job's cgroup v2 directory, if there is one, then its v1 `tasks` files, until the workload is in. */
  cgroup: 15,
} as const;
