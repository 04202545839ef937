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
  /** From here on: the job's cgroup v2 directory, if there is one, then its v1 `tasks` files, until the workload is in. */
  cgroup: 9,
} as const;
