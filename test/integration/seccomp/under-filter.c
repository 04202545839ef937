/*
 * Lives under a filter. The filter is a file of struct sock_filter; an empty one is no filter.
 *   under-filter FILTER -- COMMAND ARG...    installs it and becomes the command
 *   under-filter FILTER                      makes the calls on standard input, a line each, `NUMBER ARG ARG ARG ARG ARG ARG`
 *                                            or `i386 NUMBER`, each in a process of its own, and prints what came of them:
 *                                            `ok`, `errno N` or `signal N`
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sock_filter instructions[BPF_MAXINSNS];
static struct sock_fprog program = {0, instructions};

static void fail(const char *what) {
  perror(what);
  exit(125);
}

static void load(const char *file) {
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(file);
  ssize_t size = read(fd, instructions, sizeof instructions);
  if (size < 0) fail(file);
  program.len = size / sizeof *instructions;
  close(fd);
}

static void install(void) {
  if (program.len == 0) return;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) fail("PR_SET_NO_NEW_PRIVS");
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) fail("SECCOMP_SET_MODE_FILTER");
}

/* The answer goes through exit_group, which every filter allows: 0, or the error. */
static void attempt(const char *line) {
  unsigned long number = 0, a[6] = {0};
  long answer = -1;
  if (strncmp(line, "i386 ", 5) == 0) {
    number = strtoul(line + 5, NULL, 0);
    install();
#ifdef __x86_64__
    int small;
    __asm__ volatile("int $0x80" : "=a"(small) : "a"((int)number) : "memory", "r8", "r9", "r10", "r11");
    syscall(SYS_exit_group, small < 0 ? -small : 0);
#endif
    syscall(SYS_exit_group, 255);
  }
  char *rest = (char *)line;
  number = strtoul(rest, &rest, 0);
  for (int index = 0; index < 6; index++) a[index] = strtoul(rest, &rest, 0);
  pid_t self = getpid();
  install();
  answer = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  int error = answer == -1 ? errno : 0;
  /* A child that was made by the call says nothing, and its parent does not wait. */
  if (answer == 0 && getpid() != self) _exit(0);
  syscall(SYS_exit_group, error);
}

int main(int count, char **words) {
  if (count < 2) return 125;
  load(words[1]);
  if (count > 3) {
    install();
    execvp(words[3], words + 3);
    fail(words[3]);
  }
  char line[512];
  while (fgets(line, sizeof line, stdin)) {
    int status;
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) attempt(line);
    if (waitpid(child, &status, 0) != child) fail("waitpid");
    if (WIFSIGNALED(status)) printf("signal %d\n", WTERMSIG(status));
    else if (WEXITSTATUS(status) == 0) printf("ok\n");
    else printf("errno %d\n", WEXITSTATUS(status));
    fflush(stdout);
  }
  return 0;
}
