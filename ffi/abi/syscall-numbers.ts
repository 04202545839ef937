/**
 * The number of every system call of both machines up to Linux 7.1, whether tele makes it or only filters it
 * (asm/unistd_64.h; asm-generic/unistd.h). A test holds them against the C headers.
 */
import type { Architecture } from "../syscalls.ts";

/** Names in the order of their numbers; a line begins with the number of its first. */
type Table = Readonly<Record<number, string>>;

const X86_64: Table = {
  0: "read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask",
  15: "rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore madvise",
  29: "shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept",
  44: "sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt",
  55: "getsockopt clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd msgrcv",
  71: "msgctl fcntl flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat",
  86: "link unlink symlink readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo",
  100: "times ptrace getuid syslog getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid",
  114: "setregid getgroups setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid capget",
  126: "capset rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib",
  135: "personality ustat statfs fstatfs sysfs getpriority setpriority sched_setparam sched_getparam",
  144: "sched_setscheduler sched_getscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval",
  149: "mlock munlock mlockall munlockall vhangup modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex setrlimit",
  161: "chroot sync acct settimeofday mount umount2 swapon swapoff reboot sethostname setdomainname iopl ioperm",
  174: "create_module init_module delete_module get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg",
  183: "afs_syscall tuxcall security gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr",
  194: "listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr tkill time futex sched_setaffinity",
  204: "sched_getaffinity set_thread_area io_setup io_destroy io_getevents io_submit io_cancel get_thread_area",
  212: "lookup_dcookie epoll_create epoll_ctl_old epoll_wait_old remap_file_pages getdents64 set_tid_address",
  219: "restart_syscall semtimedop fadvise64 timer_create timer_settime timer_gettime timer_getoverrun timer_delete",
  227: "clock_settime clock_gettime clock_getres clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes",
  236: "vserver mbind set_mempolicy get_mempolicy mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify",
  245: "mq_getsetattr kexec_load waitid add_key request_key keyctl ioprio_set ioprio_get inotify_init",
  254: "inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat fchownat futimesat newfstatat",
  263: "unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare set_robust_list",
  274: "get_robust_list splice tee sync_file_range vmsplice move_pages utimensat epoll_pwait signalfd timerfd_create",
  284: "eventfd fallocate timerfd_settime timerfd_gettime accept4 signalfd4 eventfd2 epoll_create1 dup3 pipe2",
  294: "inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark",
  302: "prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns getcpu process_vm_readv",
  311: "process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create",
  320: "kexec_file_load bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect",
  330: "pkey_alloc pkey_free statx io_pgetevents rseq uretprobe uprobe",
  424: "pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig",
  432: "fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2",
  442: "mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret",
  448: "process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake",
  455: "futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal",
  463: "setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr listns",
  471: "rseq_slice_yield",
};

const AARCH64: Table = {
  0: "io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr lgetxattr",
  10: "fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getcwd lookup_dcookie",
  19: "eventfd2 epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl inotify_init1 inotify_add_watch inotify_rm_watch",
  29: "ioctl ioprio_set ioprio_get flock mknodat mkdirat unlinkat symlinkat linkat renameat umount2 mount",
  41: "pivot_root nfsservctl statfs fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod",
  53: "fchmodat fchownat fchown openat close vhangup pipe2 quotactl getdents64 lseek read write readv writev",
  67: "pread64 pwrite64 preadv pwritev sendfile pselect6 ppoll signalfd4 vmsplice splice tee readlinkat newfstatat",
  80: "fstat sync fsync fdatasync sync_file_range timerfd_create timerfd_settime timerfd_gettime utimensat acct",
  90: "capget capset personality exit exit_group waitid set_tid_address unshare futex set_robust_list",
  100: "get_robust_list nanosleep getitimer setitimer kexec_load init_module delete_module timer_create",
  108: "timer_gettime timer_getoverrun timer_settime timer_delete clock_settime clock_gettime clock_getres",
  115: "clock_nanosleep syslog ptrace sched_setparam sched_setscheduler sched_getscheduler sched_getparam",
  122: "sched_setaffinity sched_getaffinity sched_yield sched_get_priority_max sched_get_priority_min",
  127: "sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack rt_sigsuspend rt_sigaction",
  135: "rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigreturn setpriority getpriority reboot",
  143: "setregid setgid setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid times setpgid",
  155: "getpgid getsid setsid getgroups setgroups uname sethostname setdomainname getrlimit setrlimit getrusage",
  166: "umask prctl getcpu gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid getegid gettid",
  179: "sysinfo mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgctl msgrcv msgsnd",
  190: "semget semctl semtimedop semop shmget shmctl shmat shmdt socket socketpair bind listen accept connect",
  204: "getsockname getpeername sendto recvfrom setsockopt getsockopt shutdown sendmsg recvmsg readahead brk munmap",
  216: "mremap add_key request_key keyctl clone execve mmap fadvise64 swapon swapoff mprotect msync mlock munlock",
  230: "mlockall munlockall mincore madvise remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages",
  239: "move_pages rt_tgsigqueueinfo perf_event_open accept4 recvmmsg",
  260: "wait4 prlimit64 fanotify_init fanotify_mark name_to_handle_at open_by_handle_at clock_adjtime syncfs setns",
  269: "sendmmsg process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp",
  278: "getrandom memfd_create bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2",
  288: "pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq kexec_file_load",
  424: "pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig",
  432: "fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2",
  442: "mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret",
  448: "process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake",
  455: "futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal",
  463: "setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr listns",
  471: "rseq_slice_yield",
};

/** Calls that Linux has on other machines only (i386, arm, riscv, s390, …): lists of runtimes name them too. */
const ELSEWHERE = `
  arm_fadvise64_64 arm_sync_file_range atomic_barrier atomic_cmpxchg_32 bdflush break breakpoint cachectl cacheflush
  chown32 clock_adjtime64 clock_getres_time64 clock_gettime64 clock_nanosleep_time64 clock_settime64 fadvise64_64
  fchown32 fcntl64 fstat64 fstatat64 fstatfs64 ftime ftruncate64 futex_time64 getegid32 geteuid32 getgid32 getgroups32
  getpagesize getresgid32 getresuid32 get_tls getuid32 gtty idle io_pgetevents_time64 ipc lchown32 _llseek lock
  lstat64 mmap2 mpx mq_timedreceive_time64 mq_timedsend_time64 multiplexer _newselect nice oldfstat oldlstat
  oldolduname oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write ppoll_time64 prof profil
  pselect6_time64 readdir recv recvmmsg_time64 riscv_flush_icache riscv_hwprobe rtas rt_sigtimedwait_time64
  s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi
  sched_rr_get_interval_time64 semtimedop_time64 send sendfile64 setfsgid32 setfsuid32 setgid32 setgroups32 setregid32
  setresgid32 setresuid32 setreuid32 set_tls setuid32 sgetmask sigaction signal sigpending sigprocmask sigreturn
  sigsuspend socketcall spu_create spu_run ssetmask stat64 statfs64 stime stty subpage_prot swapcontext switch_endian
  sync_file_range2 syscall sys_debug_setcontext sysmips timerfd timerfd_gettime64 timerfd_settime64 timer_gettime64
  timer_settime64 truncate64 ugetrlimit ulimit umount usr26 usr32 utimensat_time64 vm86 vm86old waitpid
`;

interface Numbers {
  readonly byName: ReadonlyMap<string, number>;
  readonly byNumber: ReadonlyMap<number, string>;
}

/** Made when first asked for: a start needs one machine's alone. */
const made = new Map<Architecture, Numbers>();
let elsewhere: ReadonlySet<string> | undefined;

function numbersOf(architecture: Architecture): Numbers {
  let numbers = made.get(architecture);
  if (!numbers) {
    const byName = new Map<string, number>();
    const byNumber = new Map<number, string>();
    for (const [first, names] of Object.entries(architecture === "x86_64" ? X86_64 : AARCH64)) {
      let number = Number(first);
      for (const name of names.split(" ")) {
        byName.set(name, number);
        byNumber.set(number, name);
        number += 1;
      }
    }
    numbers = { byName, byNumber };
    made.set(architecture, numbers);
  }
  return numbers;
}

/** The number of a call, or undefined where this machine has no such call. */
export function callNumber(name: string, architecture: Architecture): number | undefined {
  return numbersOf(architecture).byName.get(name);
}

/** The name of a number, or undefined where it is nobody's. */
export function callName(number: number, architecture: Architecture): string | undefined {
  return numbersOf(architecture).byNumber.get(number);
}

/** Every call of a machine, in the order of the numbers. */
export function callNames(architecture: Architecture): string[] {
  return [...numbersOf(architecture).byNumber.values()];
}

/** Whether Linux has a call of this name on any machine. */
export function isCall(name: string): boolean {
  if (numbersOf("x86_64").byName.has(name) || numbersOf("aarch64").byName.has(name)) return true;
  elsewhere ??= new Set(ELSEWHERE.trim().split(/\s+/));
  return elsewhere.has(name);
}
