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
  /** Whether tethers are born with the host's privileges; otherwise in a user namespace of their own, as an ordinary user. */
  readonly privileged: boolean;
  /** Numbers of the capabilities that we have: the most that a job can have in the host's own user namespace. */
  readonly held: readonly number[];
  /**
   * Where the host's tree can be shown without owners (id-mapped mounts): the mount points in it besides the root's,
   * absolute. A job then may write to no socket and no FIFO of the host, which a read-only mount alone does not keep it from.
   */
  readonly unowned?: readonly string[];
  /** Landlock's ABI (landlock_create_ruleset(2)); 0 where the kernel has none. */
  readonly landlock: number;
  /** Whether a call that a supervisor has taken up cannot be interrupted until it is answered (Linux 5.19). */
  readonly waitKillable?: boolean;
}

/** The user that a job runs as, looked up where names are known. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly home: string;
}

/** One line of uid_map or gid_map (user_namespaces(7)): `count` ids from `inside` are those from `outside` in the parent. */
export interface IdMapLine {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** The ids of a job's own user namespace. */
export interface IdMaps {
  readonly uids: readonly IdMapLine[];
  readonly gids: readonly IdMapLine[];
}

/** The maps of a namespace whose ids from 0 on are these outside. */
export function mapsOf({ start, count }: { readonly start: number; readonly count: number }): IdMaps {
  const lines = [{ inside: 0, outside: start, count }];
  return { uids: lines, gids: lines };
}
