/** What each export of `ffi/abi/` is called in C: the table that the tests against the headers walk. */

/** The C expression of each key of a record, or of the export itself. */
export type InC = string | ((key: string) => string);

/** In `kernel` the kernel's own headers are read, in `libc` those of the C library, which has a few that the kernel keeps to itself. */
export interface Held {
  readonly headers: "kernel" | "libc";
  readonly inC: InC;
}

const prefix = (before: string, headers: Held["headers"] = "kernel"): Held => ({ headers, inC: (key) => before + key });
const is = (inC: string): Held => ({ headers: "kernel", inC });
const offsets = (
  type: string,
  fields: Readonly<Record<string, string>>,
  headers: Held["headers"] = "kernel",
): Held => ({
  headers,
  inC: (key) => (key === "size" ? `sizeof(${type})` : `offsetof(${type}, ${fields[key] ?? key})`),
});

/** Instructions that are not a conditional jump. */
const BPF_IN_C: Readonly<Record<string, string>> = {
  LOAD: "BPF_LD | BPF_W | BPF_ABS",
  AND: "BPF_ALU | BPF_AND | BPF_K",
  JUMP: "BPF_JMP | BPF_JA",
  RETURN: "BPF_RET | BPF_K",
};

/** A control message with one descriptor, as the macros of cmsg(3) lay it out. */
const CMSG_IN_C: Readonly<Record<string, string>> = {
  size: "CMSG_SPACE(sizeof(int))",
  length: "CMSG_LEN(sizeof(int))",
  level: "offsetof(struct cmsghdr, cmsg_level)",
  type: "offsetof(struct cmsghdr, cmsg_type)",
  data: "CMSG_LEN(0)",
};

/** Module, export, and what it is in C. A record's keys are appended or looked up; a function has tests of its own. */
export const HELD: Readonly<Record<string, Readonly<Record<string, Held>>>> = {
  "audit.ts": { AUDIT_ARCH: prefix("AUDIT_ARCH_") },
  "bpf.ts": {
    SOCK_FILTER_SIZE: is("sizeof(struct sock_filter)"),
    SOCK_FPROG: offsets("struct sock_fprog", {}),
  },
  "capabilities.ts": {
    LINUX_CAPABILITY_VERSION_3: is("_LINUX_CAPABILITY_VERSION_3"),
    CAP_LAST_CAP: is("CAP_LAST_CAP"),
  },
  "clone.ts": {
    CLONE: prefix("CLONE_"),
    CLONE_CLEAR_SIGHAND: is("CLONE_CLEAR_SIGHAND"),
    CLONE_INTO_CGROUP: is("CLONE_INTO_CGROUP"),
    CLONE_ARGS_SIZE: is("sizeof(struct clone_args)"),
    CLONE_ARGS: offsets("struct clone_args", {}),
  },
  "close-range.ts": { CLOSE_RANGE: prefix("CLOSE_RANGE_"), LAST_DESCRIPTOR: is("~0U") },
  "epoll.ts": {
    EPOLL_CTL: prefix("EPOLL_CTL_"),
    EPOLL: prefix("EPOLL"),
    EPOLL_EVENT: offsets("struct epoll_event", {}),
  },
  "errno.ts": { ERRNO: prefix("") },
  "eventfd.ts": { EFD: prefix("EFD_", "libc") },
  "fcntl.ts": { O: prefix("O_"), F: prefix("F_"), AT: prefix("AT_"), F_SEAL: prefix("F_SEAL_"), LOCK: prefix("LOCK_") },
  "flags.ts": {},
  "fsopen.ts": {
    FSOPEN: prefix("FSOPEN_"),
    FSMOUNT: prefix("FSMOUNT_"),
    FSCONFIG: prefix("FSCONFIG_"),
  },
  "keyctl.ts": { KEYCTL: prefix("KEYCTL_") },
  "landlock.ts": {
    LANDLOCK_RULE: prefix("LANDLOCK_RULE_"),
    LANDLOCK_CREATE_RULESET_VERSION: is("LANDLOCK_CREATE_RULESET_VERSION"),
    LANDLOCK_ACCESS_FS: prefix("LANDLOCK_ACCESS_FS_"),
    // Its first field; newer ones follow, and their kernels take the shorter structure too (landlock_create_ruleset(2)).
    LANDLOCK_RULESET_SIZE: is("sizeof(((struct landlock_ruleset_attr *)0)->handled_access_fs)"),
    LANDLOCK_PATH_BENEATH: offsets("struct landlock_path_beneath_attr", {}),
  },
  "memfd.ts": { MFD: prefix("MFD_") },
  "message.ts": {
    MSG: prefix("MSG_", "libc"),
    MSGHDR: offsets(
      "struct msghdr",
      {
        iov: "msg_iov",
        iovlen: "msg_iovlen",
        control: "msg_control",
        controllen: "msg_controllen",
        flags: "msg_flags",
      },
      "libc",
    ),
    CMSG: { headers: "libc", inC: (key) => CMSG_IN_C[key] ?? key },
  },
  "mount-api.ts": {
    OPEN_TREE: prefix(""),
    MOVE_MOUNT: prefix("MOVE_MOUNT_"),
    MOUNT_ATTR: prefix("MOUNT_ATTR_"),
    MOUNT_ATTR_SIZE: is("sizeof(struct mount_attr)"),
  },
  "mount.ts": { MS: prefix("MS_"), MNT: prefix("", "libc") },
  "netdevice.ts": {
    SIOC: prefix("SIOC"),
    IFF: prefix("IFF_", "libc"),
    IFREQ: offsets("struct ifreq", { name: "ifr_name", flags: "ifr_flags" }, "libc"),
  },
  "openat2.ts": { RESOLVE: prefix("RESOLVE_"), OPEN_HOW_SIZE: is("sizeof(struct open_how)") },
  "personality.ts": {
    PERSONALITY: { headers: "kernel", inC: (key) => (key === "LINUX" ? "PER_LINUX" : key) },
    PERSONALITY_ASK: is("0xffffffffU"),
  },
  "prctl.ts": {
    PR: prefix("PR_"),
    PR_CAP_AMBIENT_RAISE: is("PR_CAP_AMBIENT_RAISE"),
    PR_CAP_AMBIENT_CLEAR_ALL: is("PR_CAP_AMBIENT_CLEAR_ALL"),
  },
  "resource.ts": {
    RLIMIT: prefix("RLIMIT_"),
    RUSAGE_SELF: is("RUSAGE_SELF"),
    RUSAGE_CHILDREN: is("RUSAGE_CHILDREN"),
    RUSAGE: offsets("struct rusage", {
      utimeSeconds: "ru_utime.tv_sec",
      utimeMicros: "ru_utime.tv_usec",
      stimeSeconds: "ru_stime.tv_sec",
      stimeMicros: "ru_stime.tv_usec",
      maxrss: "ru_maxrss",
      inblock: "ru_inblock",
      oublock: "ru_oublock",
    }),
  },
  "protocols.ts": {
    FAMILY: prefix("AF_", "libc"),
    NETLINK: prefix("NETLINK_"),
    IPPROTO: prefix("IPPROTO_", "libc"),
  },
  "seccomp.ts": {
    SECCOMP: prefix("SECCOMP_"),
    SECCOMP_FILTER_FLAG: prefix("SECCOMP_FILTER_FLAG_"),
    SECCOMP_RET: { headers: "kernel", inC: (key) => `SECCOMP_RET_${key} & 0xffffffffU` },
    SECCOMP_DATA: offsets("struct seccomp_data", {}),
    SECCOMP_NOTIF: offsets("struct seccomp_notif", {}),
    SECCOMP_NOTIF_RESP: offsets("struct seccomp_notif_resp", {}),
    SECCOMP_IOCTL_NOTIF: prefix("SECCOMP_IOCTL_NOTIF_"),
    SECCOMP_USER_NOTIF_FLAG_CONTINUE: is("SECCOMP_USER_NOTIF_FLAG_CONTINUE"),
    BPF: { headers: "kernel", inC: (key) => BPF_IN_C[key] ?? `BPF_JMP | BPF_${key} | BPF_K` },
    BPF_MAXINSNS: is("BPF_MAXINSNS"),
  },
  "signal.ts": {
    SIG: prefix("SIG"),
    SIG_HOW: prefix("SIG_"),
    SIGSET_SIZE: is("sizeof(sigset_t)"),
    SIGACTION_SIZE: is("sizeof(struct sigaction)"),
    SIGACTION: offsets("struct sigaction", {
      handler: "sa_handler",
      flags: "sa_flags",
      restorer: "sa_restorer",
      mask: "sa_mask",
    }),
    SIG_IGN: is("SIG_IGN"),
    SA: prefix("SA_"),
    SI_KERNEL: is("SI_KERNEL"),
    // Of the C library: the kernel's `_NSIG` is not among the headers that it exports on x86_64.
    LAST_SIGNAL: { headers: "libc", inC: "NSIG - 1" },
  },
  "socket.ts": { AF: prefix("AF_", "libc"), SOCK: prefix("SOCK_", "libc") },
  "stat.ts": { S_IFCHR: is("S_IFCHR"), S_IFREG: is("S_IFREG") },
  "time.ts": { CLOCK: prefix("CLOCK_") },
  "tty.ts": { TIOC: prefix("TIOC", "libc"), TCGETS: { headers: "libc", inC: "TCGETS" } },
  "wait.ts": {
    P: prefix("P_"),
    W: { headers: "kernel", inC: (key) => (key === "ALL" ? "__WALL" : `W${key}`) },
    SIGINFO: offsets("siginfo_t", {
      signo: "si_signo",
      errno: "si_errno",
      code: "si_code",
      pid: "_sifields._sigchld._pid",
      uid: "_sifields._sigchld._uid",
      status: "_sifields._sigchld._status",
    }),
    CLD: prefix("CLD_"),
  },
};

/** What Debian 12's headers (Linux 6.1) lack, and the first release that has it. */
export const NEWER: Readonly<Record<string, string>> = {
  MFD_NOEXEC_SEAL: "Linux 6.3",
  MFD_EXEC: "Linux 6.3",
  LANDLOCK_ACCESS_FS_TRUNCATE: "Linux 6.2",
  LANDLOCK_ACCESS_FS_IOCTL_DEV: "Linux 6.10",
};

/** Headers of the kernel; `stddef.h` is the compiler's. */
export const KERNEL_HEADERS = [
  "stddef.h",
  "linux/types.h",
  "asm/errno.h",

  "asm/siginfo.h",
  "asm/signal.h",
  "asm/unistd.h",
  "linux/audit.h",
  "linux/capability.h",
  "linux/close_range.h",
  "linux/eventpoll.h",
  "linux/fcntl.h",
  "linux/filter.h",
  "linux/ioctl.h",
  "linux/keyctl.h",
  "linux/landlock.h",
  "linux/memfd.h",
  "linux/mman.h",
  "linux/mount.h",
  "linux/netlink.h",
  "linux/openat2.h",
  "linux/personality.h",
  "linux/prctl.h",
  "linux/resource.h",
  "linux/sched.h",
  "linux/seccomp.h",
  "linux/sockios.h",
  "linux/stat.h",
  "linux/time.h",
  "linux/wait.h",
] as const;

/** Headers of the C library. */
export const LIBC_HEADERS = [
  "stddef.h",
  "net/if.h",
  "netinet/in.h",
  "signal.h",
  "stdio.h",
  "string.h",
  "sys/eventfd.h",
  "sys/ioctl.h",
  "sys/mount.h",
  "sys/socket.h",
  "sys/sysmacros.h",
] as const;

/** A program of the kernel's headers and one of the C library's: each prints its expressions, a line each. */
export function sources(kernel: readonly string[], libc: readonly string[]): string[] {
  const include = (headers: readonly string[]): string => headers.map((name) => `#include <${name}>\n`).join("");
  const print = (expression: string): string => {
    const line = `  printf("%lld\\n", (long long)(${expression}));\n`;
    return expression in NEWER ? `#ifdef ${expression}\n${line}#else\n  printf("absent\\n");\n#endif\n` : line;
  };
  return [
    `${include(KERNEL_HEADERS)}int printf(const char *, ...);\nvoid kernel(void) {\n${kernel.map(print).join("")}}\n`,
    `#define _GNU_SOURCE\n${include(LIBC_HEADERS)}void kernel(void);\nint main(void) {\n  kernel();\n${libc.map(print).join("")}  return 0;\n}\n`,
  ];
}
