/** The closed lists of `security` and `ulimits`, apart from their schemas: a command line needs the words alone. */

export const PROFILES = ["strict", "default", "dev", "host"] as const;
export type Profile = (typeof PROFILES)[number];

/** Namespaces that a job can share with the host; pid and mount namespaces are always its own. */
export const SHAREABLE = ["net", "ipc", "uts", "cgroup"] as const;
export type Shareable = (typeof SHAREABLE)[number];

/** Resource limits of a process, by the names that docker and ulimit(1) use. */
export const ULIMIT_NAMES = [
  "as",
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
] as const;
export type UlimitName = (typeof ULIMIT_NAMES)[number];
