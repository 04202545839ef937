/* The floor of a launch: the same system calls as ours, made by a C program.
 *
 *   floor once             one sandbox with /bin/true, from the start of this process to its end
 *   floor serve TETHER     a line "inline" or "tether" on stdin starts one sandbox; the answer is a line "ns status"
 *
 * "tether" is call for call what our engine does: pipes, a sealed memfd, clone3, execveat of PID 1, which reports, is
 * held, and is released. "inline" is the least that a sandbox needs: PID 1 sets it up in our memory and is not held. */
#include "sandbox.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Alignas(16) char child_stack[65536];
static char tether[65536];
static ssize_t tether_length;

struct descriptors { int sorted[SORTED], tether; };
static struct descriptors given;

static int inline_sandbox(int unused) { (void)unused; return sandbox(0); }

static int execute_tether(int unused) {
  static const char *const argv[] = {"floor-tether", 0}, *const environment[] = {0};
  (void)unused;
  MUST(CALL(close_range, 0, 31, 0, 0, 0));
  for (int fd = 0; fd < SORTED; fd++) MUST(CALL(dup3, given.sorted[fd], fd, 0, 0, 0));
  CALL(execveat, given.tether, "", argv, environment, AT_EMPTY_PATH);
  CALL(exit_group, 99, 0, 0, 0, 0);
  return 99;
}

static void check(int bad, const char *what) {
  if (bad) { perror(what); exit(1); }
}

/* Out of the way of the numbers that the child sorts them to. */
static int high(int fd) {
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, 32);
  check(moved < 0, "fcntl");
  close(fd);
  return moved;
}

static void make_pipe(int *ends, int size) {
  check(pipe2(ends, O_CLOEXEC) < 0, "pipe2");
  if (size) fcntl(ends[0], F_SETPIPE_SZ, size);
  ends[0] = high(ends[0]);
  ends[1] = high(ends[1]);
}

static long elapsed(const struct timespec *from) {
  struct timespec to;
  clock_gettime(CLOCK_MONOTONIC, &to);
  return (to.tv_sec - from->tv_sec) * 1000000000L + (to.tv_nsec - from->tv_nsec);
}

static long clone_child(int (*function)(int), int *pidfd) {
  struct clone_args arguments = {
    .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | TETHER_NAMESPACES,
    .pidfd = (uint64_t)(uintptr_t)pidfd,
    .exit_signal = SIGCHLD,
    .stack = (uint64_t)(uintptr_t)child_stack,
    .stack_size = sizeof child_stack,
  };
  /* The tether waits for its release with every signal blocked, from its first instruction on. */
  uint64_t every = ~0ull, before = 0;
  CALL(rt_sigprocmask, SIG_SETMASK, &every, &before, sizeof every, 0);
  long pid = start(&arguments, function, 0);
  CALL(rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before, 0);
  errno = (int)-pid;
  check(pid < 0, "clone3");
  return pid;
}

/* One sandbox: nanoseconds from the call to the reaped child. */
static long launch_inline(siginfo_t *info) {
  struct timespec from;
  int pidfd = -1;
  clock_gettime(CLOCK_MONOTONIC, &from);
  clone_child(inline_sandbox, &pidfd);
  check(waitid(P_PIDFD, (id_t)pidfd, info, WEXITED) < 0, "waitid");
  close(pidfd);
  return elapsed(&from);
}

static long launch_tether(int null, int record, siginfo_t *info) {
  struct timespec from;
  int report[2], out[2], err[2], pidfd = -1;
  uint64_t message[3];
  clock_gettime(CLOCK_MONOTONIC, &from);
  make_pipe(report, 0);
  make_pipe(out, 256 * 1024);
  make_pipe(err, 256 * 1024);
  int memory = high(memfd_create("floor-tether", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  check(write(memory, tether, (size_t)tether_length) != tether_length, "write");
  fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  given = (struct descriptors){{null, out[1], err[1], report[1], record, out[0], err[0], report[0]}, memory};
  clone_child(execute_tether, &pidfd);
  close(memory);
  close(report[1]);
  close(out[1]);
  close(err[1]);
  /* It has begun; it has ended. */
  for (int part = 0; part < 2; part++) {
    if (read(report[0], message, sizeof message) != sizeof message) break;
  }
  CALL(pidfd_send_signal, pidfd, RELEASE_SIGNAL, 0, 0, 0);
  check(waitid(P_PIDFD, (id_t)pidfd, info, WEXITED) < 0, "waitid");
  long ns = elapsed(&from);
  close(report[0]);
  close(out[0]);
  close(err[0]);
  close(pidfd);
  return ns;
}

int main(int argc, char **argv) {
  siginfo_t info = {0};
  if (argc == 2 && !strcmp(argv[1], "once")) {
    launch_inline(&info);
    return info.si_status;
  }
  if (argc != 3 || strcmp(argv[1], "serve")) {
    fputs("usage: floor once | floor serve TETHER\n", stderr);
    return 2;
  }
  int file = open(argv[2], O_RDONLY | O_CLOEXEC);
  tether_length = read(file, tether, sizeof tether);
  check(tether_length <= 0, argv[2]);
  close(file);
  int null = high(open("/dev/null", O_RDONLY | O_CLOEXEC));
  int record = high(memfd_create("floor-record", MFD_CLOEXEC));
  char line[32];
  while (fgets(line, sizeof line, stdin)) {
    long ns = !strncmp(line, "tether", 6) ? launch_tether(null, record, &info) : launch_inline(&info);
    printf("%ld %d\n", ns, info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status);
    fflush(stdout);
  }
  return 0;
}
