/**
 * System calls by manual page: each call's arguments, named and typed as section 2 has them, and its number on both
 * machines (asm/unistd_64.h; asm-generic/unistd.h). A test holds the numbers against the C headers.
 */

export type Architecture = "x86_64" | "aarch64";

/** How an argument reads in a listing; `flags:MS` names a table of `abi/`. */
export type ArgumentType =
  | "fd"
  | "path"
  | "text"
  | "int"
  | "mode"
  | "device"
  | "pointer"
  | "size"
  | "vector"
  | `flags:${string}`
  | `one:${string}`;

export interface Signature {
  readonly x86_64: number;
  readonly aarch64: number;
  /** `name:type` in the order of the manual page. */
  readonly args: readonly `${string}:${ArgumentType}`[];
}

const table = {
  read: { x86_64: 0, aarch64: 63, args: ["fd:fd", "buf:pointer", "count:size"] },
  write: { x86_64: 1, aarch64: 64, args: ["fd:fd", "buf:pointer", "count:size"] },
  close: { x86_64: 3, aarch64: 57, args: ["fd:fd"] },
  openat: { x86_64: 257, aarch64: 56, args: ["dirfd:fd", "pathname:path", "flags:flags:O", "mode:mode"] },
  pread64: { x86_64: 17, aarch64: 67, args: ["fd:fd", "buf:pointer", "count:size", "offset:int"] },
  newfstatat: {
    x86_64: 262,
    aarch64: 79,
    args: ["dirfd:fd", "pathname:path", "statbuf:pointer", "flags:flags:AT"],
  },
  readlinkat: { x86_64: 267, aarch64: 78, args: ["dirfd:fd", "pathname:path", "buf:pointer", "bufsiz:size"] },
  renameat2: {
    x86_64: 316,
    aarch64: 276,
    args: ["olddirfd:fd", "oldpath:path", "newdirfd:fd", "newpath:path", "flags:int"],
  },
  pwrite64: { x86_64: 18, aarch64: 68, args: ["fd:fd", "buf:pointer", "count:size", "offset:int"] },
  splice: {
    x86_64: 275,
    aarch64: 76,
    args: ["fd_in:fd", "off_in:pointer", "fd_out:fd", "off_out:pointer", "size:size", "flags:int"],
  },
  fcntl: { x86_64: 72, aarch64: 25, args: ["fd:fd", "op:one:F", "arg:int"] },
  flock: { x86_64: 73, aarch64: 32, args: ["fd:fd", "op:int"] },
  dup3: { x86_64: 292, aarch64: 24, args: ["oldfd:fd", "newfd:fd", "flags:flags:O"] },
  pipe2: { x86_64: 293, aarch64: 59, args: ["pipefd:pointer", "flags:flags:O"] },
  close_range: { x86_64: 436, aarch64: 436, args: ["first:fd", "last:fd", "flags:flags:CLOSE_RANGE"] },
  memfd_create: { x86_64: 319, aarch64: 279, args: ["name:text", "flags:flags:MFD"] },
  epoll_create1: { x86_64: 291, aarch64: 20, args: ["flags:flags:O"] },
  epoll_ctl: { x86_64: 233, aarch64: 21, args: ["epfd:fd", "op:one:EPOLL_CTL", "fd:fd", "event:pointer"] },
  epoll_pwait: {
    x86_64: 281,
    aarch64: 22,
    args: ["epfd:fd", "events:pointer", "maxevents:int", "timeout:int", "sigmask:pointer", "sigsetsize:size"],
  },
  openat2: { x86_64: 437, aarch64: 437, args: ["dirfd:fd", "pathname:path", "how:pointer", "size:size"] },
  eventfd2: { x86_64: 290, aarch64: 19, args: ["initval:int", "flags:flags:EFD"] },
  ioctl: { x86_64: 16, aarch64: 29, args: ["fd:fd", "op:one:SIOC", "argp:pointer"] },
  socket: { x86_64: 41, aarch64: 198, args: ["domain:one:AF", "type:one:SOCK", "protocol:int"] },
  socketpair: { x86_64: 53, aarch64: 199, args: ["domain:one:AF", "type:one:SOCK", "protocol:int", "sv:pointer"] },
  // The parameters after parent_tid trade places on aarch64 (clone(2), "C library/kernel differences").
  clone: {
    x86_64: 56,
    aarch64: 220,
    args: ["flags:flags:CLONE", "stack:pointer", "parent_tid:pointer", "child_tid:int", "tls:int"],
  },
  clone3: { x86_64: 435, aarch64: 435, args: ["cl_args:pointer", "size:size"] },
  execve: { x86_64: 59, aarch64: 221, args: ["pathname:path", "argv:vector", "envp:vector"] },
  execveat: {
    x86_64: 322,
    aarch64: 281,
    args: ["dirfd:fd", "pathname:path", "argv:vector", "envp:vector", "flags:flags:AT"],
  },
  exit_group: { x86_64: 231, aarch64: 94, args: ["status:int"] },
  waitid: {
    x86_64: 247,
    aarch64: 95,
    args: ["idtype:one:P", "id:int", "infop:pointer", "options:flags:W", "rusage:pointer"],
  },
  kill: { x86_64: 62, aarch64: 129, args: ["pid:int", "sig:one:SIG"] },
  getpid: { x86_64: 39, aarch64: 172, args: [] },
  getppid: { x86_64: 110, aarch64: 173, args: [] },
  getrusage: { x86_64: 98, aarch64: 165, args: ["who:int", "usage:pointer"] },
  clock_gettime: { x86_64: 228, aarch64: 113, args: ["clockid:one:CLOCK", "tp:pointer"] },
  rt_sigaction: {
    x86_64: 13,
    aarch64: 134,
    args: ["signum:one:SIG", "act:pointer", "oldact:pointer", "sigsetsize:size"],
  },
  rt_sigprocmask: {
    x86_64: 14,
    aarch64: 135,
    args: ["how:one:SIG_HOW", "set:pointer", "oldset:pointer", "sigsetsize:size"],
  },
  rt_sigtimedwait: {
    x86_64: 128,
    aarch64: 137,
    args: ["set:pointer", "info:pointer", "timeout:pointer", "sigsetsize:size"],
  },
  pidfd_open: { x86_64: 434, aarch64: 434, args: ["pid:int", "flags:int"] },
  pidfd_getfd: { x86_64: 438, aarch64: 438, args: ["pidfd:fd", "targetfd:fd", "flags:int"] },
  pidfd_send_signal: { x86_64: 424, aarch64: 424, args: ["pidfd:fd", "sig:one:SIG", "info:pointer", "flags:int"] },
  ppoll: {
    x86_64: 271,
    aarch64: 73,
    args: ["fds:pointer", "nfds:int", "tmo_p:pointer", "sigmask:pointer", "sigsetsize:size"],
  },
  prctl: { x86_64: 157, aarch64: 167, args: ["op:one:PR", "arg2:int", "arg3:int", "arg4:int", "arg5:int"] },
  capset: { x86_64: 126, aarch64: 91, args: ["hdrp:pointer", "datap:pointer"] },
  prlimit64: {
    x86_64: 302,
    aarch64: 261,
    args: ["pid:int", "resource:one:RLIMIT", "new_limit:pointer", "old_limit:pointer"],
  },
  setsid: { x86_64: 112, aarch64: 157, args: [] },
  setgroups: { x86_64: 116, aarch64: 159, args: ["size:size", "list:pointer"] },
  setresgid: { x86_64: 119, aarch64: 149, args: ["rgid:int", "egid:int", "sgid:int"] },
  setresuid: { x86_64: 117, aarch64: 147, args: ["ruid:int", "euid:int", "suid:int"] },
  umask: { x86_64: 95, aarch64: 166, args: ["mask:mode"] },
  getxattr: { x86_64: 191, aarch64: 8, args: ["path:path", "name:text", "value:pointer", "size:size"] },
  chdir: { x86_64: 80, aarch64: 49, args: ["path:path"] },
  fchdir: { x86_64: 81, aarch64: 50, args: ["fd:fd"] },
  unlinkat: { x86_64: 263, aarch64: 35, args: ["dirfd:fd", "pathname:path", "flags:flags:AT"] },
  mkdirat: { x86_64: 258, aarch64: 34, args: ["dirfd:fd", "pathname:path", "mode:mode"] },
  mknodat: { x86_64: 259, aarch64: 33, args: ["dirfd:fd", "pathname:path", "mode:mode", "dev:device"] },
  symlinkat: { x86_64: 266, aarch64: 36, args: ["target:path", "newdirfd:fd", "linkpath:path"] },
  mount: {
    x86_64: 165,
    aarch64: 40,
    args: ["source:path", "target:path", "filesystemtype:text", "mountflags:flags:MS", "data:text"],
  },
  umount2: { x86_64: 166, aarch64: 39, args: ["target:path", "flags:flags:MNT"] },
  pivot_root: { x86_64: 155, aarch64: 41, args: ["new_root:path", "put_old:path"] },
  open_tree: { x86_64: 428, aarch64: 428, args: ["dirfd:fd", "path:path", "flags:flags:OPEN_TREE"] },
  fsopen: { x86_64: 430, aarch64: 430, args: ["fsname:text", "flags:flags:FSOPEN"] },
  fsconfig: { x86_64: 431, aarch64: 431, args: ["fd:fd", "cmd:one:FSCONFIG", "key:text", "value:text", "aux:int"] },
  fsmount: { x86_64: 432, aarch64: 432, args: ["fsfd:fd", "flags:flags:FSMOUNT", "attr_flags:flags:MOUNT_ATTR"] },
  fchownat: {
    x86_64: 260,
    aarch64: 54,
    args: ["dirfd:fd", "pathname:path", "owner:int", "group:int", "flags:flags:AT"],
  },
  move_mount: {
    x86_64: 429,
    aarch64: 429,
    args: ["from_dirfd:fd", "from_path:path", "to_dirfd:fd", "to_path:path", "flags:flags:MOVE_MOUNT"],
  },
  mount_setattr: {
    x86_64: 442,
    aarch64: 442,
    args: ["dirfd:fd", "path:path", "flags:flags:OPEN_TREE", "attr:pointer", "size:size"],
  },
  keyctl: { x86_64: 250, aarch64: 219, args: ["op:one:KEYCTL", "arg2:int", "arg3:int", "arg4:int", "arg5:int"] },
  seccomp: { x86_64: 317, aarch64: 277, args: ["op:one:SECCOMP", "flags:flags:SECCOMP_FILTER", "args:pointer"] },
  landlock_create_ruleset: { x86_64: 444, aarch64: 444, args: ["attr:pointer", "size:size", "flags:int"] },
  landlock_add_rule: {
    x86_64: 445,
    aarch64: 445,
    args: ["ruleset_fd:fd", "rule_type:one:LANDLOCK_RULE", "rule_attr:pointer", "flags:int"],
  },
  landlock_restrict_self: { x86_64: 446, aarch64: 446, args: ["ruleset_fd:fd", "flags:int"] },
  sendmsg: { x86_64: 46, aarch64: 211, args: ["sockfd:fd", "msg:pointer", "flags:int"] },
  recvmsg: { x86_64: 47, aarch64: 212, args: ["sockfd:fd", "msg:pointer", "flags:int"] },
  sethostname: { x86_64: 170, aarch64: 161, args: ["name:text", "len:size"] },
  unshare: { x86_64: 272, aarch64: 97, args: ["flags:flags:CLONE"] },
} as const satisfies Record<string, Signature>;

/** Name of a system call that tele makes. */
export type CallName = keyof typeof table;

export const SYSCALLS: Readonly<Record<CallName, Signature>> = table;

/** The architecture of this process, in the kernel's words. */
export function hostArchitecture(): Architecture {
  if (process.arch === "x64") return "x86_64";
  if (process.arch === "arm64") return "aarch64";
  throw new Error(`tele runs on x86_64 and aarch64, not on ${process.arch}`);
}
