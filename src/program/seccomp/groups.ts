/**
 * The calls of the profiles, by what they are for. What is on none of these lists is unknown to the sandbox and answers
 * ENOSYS, as on a kernel that is older: programs ask, and then do without. Calls of one machine only (`open`, …) are
 * passed over on the other.
 */
import type { CapabilityName } from "#spec/capabilities.ts";

/** Allowed in every profile. */
export const COMMON = {
  // The process's own memory. Locking is bounded by RLIMIT_MEMLOCK and the cgroup.
  memory: `brk mmap munmap mprotect mremap msync mincore madvise membarrier mseal map_shadow_stack mlock mlock2 munlock
    munlockall pkey_alloc pkey_free pkey_mprotect cachestat process_mrelease`,
  // Files by name: permissions, mounts and Landlock decide.
  files: `open openat openat2 creat access faccessat faccessat2 stat lstat newfstatat statx statfs readlink readlinkat
    rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir mknod mknodat chmod
    fchmodat fchmodat2 chown lchown fchownat truncate utime utimes futimesat utimensat umask getcwd chdir fchdir`,
  // Files by descriptor.
  descriptors: `read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range dup dup2
    dup3 fcntl ioctl flock fstat fstatfs fchmod fchown ftruncate fallocate fadvise64 readahead getdents getdents64 fsync
    fdatasync sync syncfs sync_file_range sendfile copy_file_range splice tee pipe pipe2 memfd_create`,
  attributes: `getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr
    flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat`,
  // Waiting for descriptors, and descriptors to wait for.
  events: `select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd
    eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime inotify_init inotify_init1
    inotify_add_watch inotify_rm_watch`,
  // Beginning, ending, signals. Others' processes are out of sight in the pid namespace. `clone` is restricted below.
  processes: `clone fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill rt_sigaction
    rt_sigprocmask rt_sigpending rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend rt_sigtimedwait rt_sigreturn
    sigaltstack pause pidfd_open pidfd_send_signal restart_syscall prctl arch_prctl getpid getppid gettid getpgid
    getpgrp setpgid getsid setsid set_tid_address`,
  // Who one is. Changes need capabilities, and are about the ids of the user namespace.
  identity: `getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid
    setresgid setfsuid setfsgid setgroups capget capset`,
  threads: `futex futex_wait futex_wake futex_waitv futex_requeue set_robust_list get_robust_list rseq rseq_slice_yield`,
  // Shares of the CPU: only ever less than one has, and never the tether's, see below.
  scheduling: `sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam
    sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval
    getpriority setpriority ioprio_get ioprio_set getcpu`,
  time: `time times gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep alarm getitimer setitimer
    timer_create timer_delete timer_settime timer_gettime timer_getoverrun`,
  limits: "getrlimit setrlimit prlimit64 getrusage sysinfo uname getrandom",
  // System V and POSIX objects of the job's own ipc namespace.
  ipc: `shmget shmat shmdt shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink
    mq_timedsend mq_timedreceive mq_notify mq_getsetattr`,
  // Families are restricted below.
  network: `socket socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt
    sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg`,
  // They only ever take rights away.
  confinement: "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
  // Made by the kernel's own trampolines when the host traces a program; a filter that stops them kills what is traced.
  traced: "uretprobe uprobe",
} as const;

/** Allowed in `default` and `dev`. `strict` does without: seldom needed, and each with a history of kernel bugs. */
export const WIDER = {
  // As docker since Linux 4.8, where a filter is asked again after a tracer changed the call. Only the job's own.
  tracing: "ptrace",
  // Asynchronous input and output of old; databases use it where they can.
  aio: "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents",
  // Pages of a process in a pipe, and out of their order in memory.
  pages: "vmsplice remap_file_pages mlockall",
  // What mounts and clocks are like: reading only (the kernel wants CAP_SYS_TIME for more).
  looking: "statmount listmount name_to_handle_at adjtimex clock_adjtime",
  // What ioctl(2) can do as well (FS_IOC_FSSETXATTR).
  flags: "file_getattr file_setattr",
} as const;

/** Calls that are refused with EPERM until something opens them. */
export interface Guarded {
  readonly calls: string;
  /** Any of these opens them: who was given the capability was given its calls, as with docker. */
  readonly opens?: readonly CapabilityName[];
  /** Open in `dev`. */
  readonly dev?: true;
}

/** Dangerous, or pointless without a capability that the job has not. */
export const GUARDED: readonly Guarded[] = [
  // The tree of mounts: what is masked could be uncovered.
  {
    calls: `mount umount2 pivot_root open_tree open_tree_attr move_mount mount_setattr fsopen fsconfig fsmount fspick`,
    opens: ["SYS_ADMIN"],
    dev: true,
  },
  // A user namespace of one's own gives all capabilities in it, and with them most of the kernel's attack surface.
  { calls: "unshare setns", opens: ["SYS_ADMIN"], dev: true },
  { calls: "sethostname setdomainname", opens: ["SYS_ADMIN"], dev: true },
  { calls: "lsm_get_self_attr lsm_set_self_attr lsm_list_modules", opens: ["SYS_ADMIN"], dev: true },
  { calls: "fanotify_init fanotify_mark", opens: ["SYS_ADMIN"], dev: true },
  { calls: "chroot", opens: ["SYS_CHROOT"], dev: true },
  // Into other processes. A debugger does with ptrace(2) alone.
  {
    calls: "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd",
    opens: ["SYS_PTRACE"],
    dev: true,
  },
  // Keys of a user are the same in every container of that user; many a bug (CVE-2014-9529, CVE-2016-0728).
  { calls: "keyctl add_key request_key", dev: true },
  // Makes calls that no filter sees; 60 % of the exploits that Google's kernel bounty of 2022 was paid for.
  { calls: "io_uring_setup io_uring_enter io_uring_register", dev: true },
  // Stops the kernel wherever it reads memory: what exploits of races are made of.
  { calls: "userfaultfd", dev: true },
  { calls: "perf_event_open", opens: ["PERFMON", "SYS_ADMIN"], dev: true },
  // 16-bit segments (CVE-2015-3290, CVE-2015-5157); only emulators want them.
  { calls: "modify_ldt", dev: true },
  // Memory that cannot be swapped and keeps the host from hibernating.
  { calls: "memfd_secret", dev: true },
  // Which node memory lies on. Programs do without where a kernel has no NUMA.
  {
    calls: "get_mempolicy set_mempolicy set_mempolicy_home_node mbind migrate_pages move_pages",
    opens: ["SYS_NICE"],
    dev: true,
  },
  { calls: "bpf", opens: ["BPF", "SYS_ADMIN"] },
  { calls: "quotactl quotactl_fd", opens: ["SYS_ADMIN"] },
  // Opens any file of a filesystem by number, whatever is mounted where (the "shocker" exploit of 2014).
  { calls: "open_by_handle_at", opens: ["DAC_READ_SEARCH"] },
  { calls: "syslog", opens: ["SYSLOG", "SYS_ADMIN"] },
  { calls: "settimeofday clock_settime", opens: ["SYS_TIME"] },
  { calls: "acct", opens: ["SYS_PACCT"] },
  { calls: "iopl ioperm", opens: ["SYS_RAWIO"] },
  { calls: "vhangup", opens: ["SYS_TTY_CONFIG"] },
  // Nobody's business in a sandbox, whatever its capabilities.
  { calls: "reboot kexec_load kexec_file_load" },
  { calls: "init_module finit_module delete_module" },
  { calls: "swapon swapoff" },
  { calls: "nfsservctl lookup_dcookie" },
];
