/* The system calls of one of our sandboxes, in C without a library: what a program can do at best.
 * The order and the arguments follow test/golden/defaults-without-cgroup.txt; change them together. The system call
 * filters are the very same bytes: ../floor.ts writes them as filters.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/sched.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <signal.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include "filters.h"

static inline long call6(long n, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  long r;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return r;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}
#define CALL(n, a, b, c, d, e) call6(SYS_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

/* A step that must work: a part of its line's number is the status that the whole launch ends with. */
#define MUST(what) do { if ((what) < 0) CALL(exit_group, 100 + __LINE__ % 100, 0, 0, 0, 0); } while (0)
/* Where the ids of the sandbox's user namespace begin outside. */
#define FIRST_ID 2147483648
#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Descriptors of the tether, as in src/program/descriptors.ts. */
enum {
  REPORT = 3, RECORD = 4, STDOUT_READ = 5, STDERR_READ = 6, REPORT_READ = 7, MAIN = 8, GO = 9, BEGUN_READ = 10,
  BEGUN_WRITE = 11, CGROUP = 14
};
enum { RELEASE_SIGNAL = 40, SORTED = MAIN };

/* PID 1 is born in the first two, the workload in the others, the mount namespace once more. */
#define TETHER_NAMESPACES (CLONE_NEWPID | CLONE_NEWNS)
#define WORKLOAD_NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* clone3: the child calls the function, on the stack of the arguments or, where they have none, on a copy of ours. */
static long start(struct clone_args *arguments, int (*function)(int), long argument) {
#if defined(__x86_64__)
  long answer;
  register long r8 __asm__("r8") = (long)function;
  register long r9 __asm__("r9") = argument;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "mov %%r9, %%rdi\n\t"
      "and $-16, %%rsp\n\t"
      "call *%%r8\n\t"
      "hlt\n"
      "1:"
      : "=a"(answer)
      : "a"((long)SYS_clone3), "D"(arguments), "S"(sizeof *arguments), "r"(r8), "r"(r9)
      : "rcx", "rdx", "r10", "r11", "memory");
  return answer;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = SYS_clone3;
  register long x0 __asm__("x0") = (long)arguments;
  register long x1 __asm__("x1") = (long)sizeof *arguments;
  register long x9 __asm__("x9") = (long)function;
  register long x10 __asm__("x10") = argument;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x0, x10\n\t"
      "blr x9\n\t"
      "brk 0\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x9), "r"(x10)
      : "x2", "x3", "x4", "x5", "x6", "x7", "x30", "memory");
  return x0;
#endif
}

#define LOCKED (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static long make_root(void) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  MUST(CALL(mount, "none", "/", 0, MS_REC | MS_PRIVATE, 0));
  MUST(CALL(openat, AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0, 0));
  long root = CALL(open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE, 0, 0);
  MUST(root);
  MUST(CALL(mount_setattr, root, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes));
  MUST(CALL(move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
  MUST(CALL(fchdir, root, 0, 0, 0, 0));
  MUST(CALL(pivot_root, ".", ".", 0, 0, 0));
  return root;
}

static void make_dev(void) {
  static const struct { const char *path; int major, minor; } nodes[] = {
    {"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}, {"/dev/console", 1, 3},
  };
  static const char *const links[][2] = {
    {"/proc/self/fd", "/dev/fd"}, {"fd/0", "/dev/stdin"}, {"fd/1", "/dev/stdout"},
    {"fd/2", "/dev/stderr"}, {"pts/ptmx", "/dev/ptmx"},
  };
  MUST(CALL(mount, "tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k"));
  CALL(umask, 0, 0, 0, 0, 0);
  for (size_t i = 0; i < COUNT(nodes); i++) {
    MUST(CALL(mknodat, AT_FDCWD, nodes[i].path, S_IFCHR | 0666, nodes[i].major << 8 | nodes[i].minor, 0));
  }
  for (size_t i = 0; i < COUNT(links); i++) MUST(CALL(symlinkat, links[i][0], AT_FDCWD, links[i][1], 0, 0));
  MUST(CALL(mkdirat, AT_FDCWD, "/dev/pts", 0755, 0, 0));
  MUST(CALL(mount, "devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"));
  MUST(CALL(mkdirat, AT_FDCWD, "/dev/shm", 01777, 0, 0));
  MUST(CALL(mount, "tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"));
  MUST(CALL(mkdirat, AT_FDCWD, "/dev/mqueue", 0755, 0, 0));
}

/* A path that the host has not is no fault. */
static void make_proc(void) {
  static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  static const char *const files[] = {
    "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats", "/proc/sched_debug", "/proc/interrupts"};
  static const char *const folders[] = {"/proc/acpi", "/proc/scsi", "/proc/asound"};
  MUST(CALL(mount, "proc", "/proc", "proc", LOCKED, 0));
  for (size_t i = 0; i < COUNT(read_only); i++) {
    CALL(mount, read_only[i], read_only[i], 0, MS_BIND, 0);
    CALL(mount, "none", read_only[i], 0, MS_REMOUNT | MS_BIND | MS_RDONLY | LOCKED, 0);
  }
  for (size_t i = 0; i < COUNT(files); i++) CALL(mount, "/dev/null", files[i], 0, MS_BIND, 0);
  for (size_t i = 0; i < COUNT(folders); i++) CALL(mount, "tmpfs", folders[i], "tmpfs", MS_RDONLY | LOCKED, "mode=755");
}

static void make_private(void) {
  MUST(CALL(mount, "tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"));
  MUST(CALL(mount, "tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"));
  MUST(CALL(fchownat, AT_FDCWD, "/run", FIRST_ID, FIRST_ID, 0));
}

static void make_sys(void) {
  static const char *const folders[] = {"/sys/firmware", "/sys/devices/virtual/powercap"};
  MUST(CALL(mount, "sysfs", "/sys", "sysfs", MS_RDONLY | LOCKED, 0));
  for (size_t i = 0; i < COUNT(folders); i++) CALL(mount, "tmpfs", folders[i], "tmpfs", MS_RDONLY | LOCKED, "mode=755");
  CALL(mount, "mqueue", "/dev/mqueue", "mqueue", LOCKED, 0);
}

static void loopback_and_name(void) {
  struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  long sock = CALL(socket, AF_INET, SOCK_DGRAM, 0, 0, 0);
  MUST(sock);
  MUST(CALL(ioctl, sock, SIOCSIFFLAGS, &lo, 0, 0));
  MUST(CALL(close, sock, 0, 0, 0, 0));
  MUST(CALL(sethostname, "sandbox", 7, 0, 0, 0));
}

/* Capabilities and whatever could bring them back. */
static void drop_capabilities(void) {
  for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
    MUST(CALL(prctl, PR_CAPBSET_DROP, capability, 0, 0, 0));
  }
  MUST(CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

static void set_no_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  MUST(CALL(capset, &header, none, 0, 0, 0));
}

/* filters.h has the very programs that ours are given. */
static void install(const unsigned char *filter, size_t length) {
  struct sock_fprog program = {.len = (unsigned short)(length / sizeof(struct sock_filter)), .filter = (void *)filter};
  MUST(CALL(seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0, 0));
}

static void await(long go) {
  uint64_t one;
  MUST(CALL(read, go, &one, sizeof one, 0, 0));
}

static void let_go(long go) {
  uint64_t one = 1;
  MUST(CALL(write, go, &one, sizeof one, 0, 0));
}

static void write_map(const char *path) {
  static const char map[] = "0 " TEXT(FIRST_ID) " 65536\n";
  long fd = CALL(openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0, 0);
  MUST(fd);
  MUST(CALL(write, fd, map, sizeof map - 1, 0, 0));
  MUST(CALL(close, fd, 0, 0, 0, 0));
}

static int workload(int go) {
  static const char *const argv[] = {"/bin/true", 0};
  static const char *const environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", 0};
  struct rlimit files = {1024, 4096}; /* within any host's hard limit */
  struct { uint64_t handler, flags, restorer, mask; } usual = {0};
  uint64_t empty_mask = 0;
  await(go);
  MUST(CALL(setsid, 0, 0, 0, 0, 0));
  MUST(CALL(unshare, CLONE_NEWCGROUP, 0, 0, 0, 0));
  MUST(CALL(close_range, CGROUP, ~0u, 0, 0, 0));
  MUST(CALL(close_range, RECORD, MAIN, 0, 0, 0));
  MUST(CALL(close_range, REPORT, ~0u, CLOSE_RANGE_CLOEXEC, 0, 0));
  make_sys();
  loopback_and_name();
  MUST(CALL(rt_sigaction, SIGPIPE, &usual, 0, sizeof empty_mask, 0));
  MUST(CALL(rt_sigaction, SIGXFSZ, &usual, 0, sizeof empty_mask, 0));
  MUST(CALL(rt_sigprocmask, 2 /* SIG_SETMASK */, &empty_mask, 0, sizeof empty_mask, 0));
  MUST(CALL(prlimit64, 0, RLIMIT_NOFILE, &files, 0, 0));
  CALL(umask, 022, 0, 0, 0, 0);
  drop_capabilities();
  MUST(CALL(setgroups, 0, 0, 0, 0, 0));
  MUST(CALL(setresgid, 0, 0, 0, 0, 0));
  MUST(CALL(setresuid, 0, 0, 0, 0, 0));
  set_no_capabilities();
  CALL(keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
  MUST(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  MUST(CALL(chdir, "/", 0, 0, 0, 0));
  await(go);
  install(default_filter, sizeof default_filter);
  CALL(execve, argv[0], argv, environment, 0, 0);
  CALL(exit_group, 127, 0, 0, 0, 0);
  return 127;
}

/* PID 1 gives up all that it does not need while its child gets ready. */
static void guard(long go) {
  write_map("/proc/2/uid_map");
  write_map("/proc/2/gid_map");
  let_go(go);
  drop_capabilities();
  set_no_capabilities();
  MUST(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  install(tether_filter, sizeof tether_filter);
  let_go(go);
}

/* PID 1. Held as ours is, it reports on descriptors 3 and 4 and leaves when it is told to; else as soon as it can. */
static int sandbox(int held) {
  struct timespec64 { int64_t seconds, nanoseconds; } began, ended, no_time = {0, 0};
  uint64_t message[3] = {2, 0, 0}, release = 1ull << (RELEASE_SIGNAL - 1), every = ~0ull;
  int main_pidfd = -1, begun[2];
  struct rusage usage;
  siginfo_t info;
  MUST(CALL(prctl, PR_SET_NAME, "floor-tether", 0, 0, 0));
  MUST(CALL(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0));
  if (held) MUST(CALL(close_range, CGROUP, ~0u, 0, 0, 0));
  long root = make_root();
  make_dev();
  make_proc();
  make_private();
  MUST(CALL(fchdir, root, 0, 0, 0, 0));
  MUST(CALL(umount2, ".", MNT_DETACH, 0, 0, 0));
  MUST(CALL(chdir, "/", 0, 0, 0, 0));
  long go = CALL(eventfd2, 0, 1 /* EFD_SEMAPHORE */ | O_CLOEXEC, 0, 0, 0);
  MUST(go);
  MUST(CALL(dup3, go, GO, O_CLOEXEC, 0, 0));
  if (held) {
    MUST(CALL(pipe2, begun, O_CLOEXEC, 0, 0, 0));
    MUST(CALL(dup3, begun[0], BEGUN_READ, O_CLOEXEC, 0, 0));
    MUST(CALL(dup3, begun[1], BEGUN_WRITE, O_CLOEXEC, 0, 0));
  }
  struct clone_args arguments = {
    .flags = CLONE_PIDFD | WORKLOAD_NAMESPACES, .exit_signal = SIGCHLD, .pidfd = (uint64_t)(uintptr_t)&main_pidfd};
  long child = start(&arguments, workload, GO);
  MUST(child);
  guard(GO);
  if (held) {
    CALL(close_range, 0, 2, 0, 0, 0);
    CALL(dup3, main_pidfd, MAIN, O_CLOEXEC, 0, 0);
    CALL(close_range, BEGUN_WRITE, ~0u, 0, 0, 0);
    CALL(read, BEGUN_READ, message + 2, 1, 0, 0);
  }
  CALL(clock_gettime, CLOCK_REALTIME, &began, 0, 0, 0);
  if (held) {
    CALL(close_range, GO, BEGUN_READ, 0, 0, 0);
    CALL(write, REPORT, message, sizeof message, 0, 0);
  }
  do MUST(CALL(waitid, P_ALL, 0, &info, WEXITED | __WALL, 0)); while (info.si_pid != child);
  CALL(clock_gettime, CLOCK_REALTIME, &ended, 0, 0, 0);
  CALL(getpid, 0, 0, 0, 0, 0);
  CALL(kill, -1, SIGKILL, 0, 0, 0);
  while (CALL(waitid, P_ALL, 0, 0, WEXITED | __WALL, 0) == 0) continue;
  if (held) {
    while (CALL(rt_sigtimedwait, &every, 0, &no_time, sizeof every, 0) >= 0) continue;
    CALL(getrusage, RUSAGE_CHILDREN, &usage, 0, 0, 0);
    CALL(pwrite64, RECORD, &usage, sizeof usage, 0, 0);
    message[0] = 3;
    CALL(write, REPORT, message, sizeof message, 0, 0);
    while (CALL(rt_sigtimedwait, &release, 0, 0, sizeof release, 0) != RELEASE_SIGNAL) continue;
  }
  CALL(exit_group, info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status, 0, 0, 0, 0);
  return 0;
}
