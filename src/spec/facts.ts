/** What planning needs to know of this host and of the job's place on it: a plain record, read elsewhere. */
export interface Facts {
  /** Signals that our runtime ignores and that would stay ignored across execve(2). */
  readonly ignoredSignals: readonly number[];
  /** The last capability of this kernel (/proc/sys/kernel/cap_last_cap). */
  readonly lastCapability: number;
  /** Hard limit of open files that we may give (our own, without CAP_SYS_RESOURCE). */
  readonly nofileHard: number;
  /** Directories of ours (state, keys) that no job may see. */
  readonly hide: readonly string[];
  /** Ways into the job's cgroup: whether it is born into a v2 directory, and how many v1 `tasks` files it joins. */
  readonly cgroup: { readonly v2: boolean; readonly v1: number };
}

/** The user that a job runs as, looked up where names are known. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}
