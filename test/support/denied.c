/*
 * A program that makes denied system calls.
 *
 *   denied errnos             each of a few calls once: its name, what it answered and errno
 *   denied flood N THREADS    N calls of mount(2) by each of the threads; then "done" and how many were refused with EPERM
 *   denied forks N            N processes, each with one call of keyctl(2)
 *   denied numbers N          N numbers that no machine has
 *   denied hang SECONDS       mount(2) again and again, for so long; a signal each millisecond interrupts it
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long rounds;

static long refused(void) {
  long answer = syscall(SYS_mount, "none", "/tmp", "tmpfs", 0L, 0L);
  return answer == -1 && errno == EPERM;
}

static void *flood(void *unused) {
  (void)unused;
  long count = 0;
  for (long i = 0; i < rounds; i++) count += refused();
  return (void *)count;
}

static void show(const char *name, long answer) {
  printf("%s %ld %s\n", name, answer, answer < 0 ? strerrorname_np(errno) : "-");
}

static void nothing(int signal) { (void)signal; }

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  long number = argc > 2 ? atol(argv[2]) : 0;
  if (strcmp(what, "errnos") == 0) {
    show("mount", syscall(SYS_mount, "none", "/tmp", "tmpfs", 0L, 0L));
    show("unshare", syscall(SYS_unshare, 0x10000000));
    show("keyctl", syscall(SYS_keyctl, 0, -3));
    show("keyctl", syscall(SYS_keyctl, 0, -3));
    show("bpf", syscall(SYS_bpf, 0, 0, 0));
    show("nothing", syscall(1000));
    show("nothing", syscall(1023, -1L));
    show("nothing", syscall(5000));
    show("getpid", syscall(SYS_getpid) > 0 ? 0 : -1);
  } else if (strcmp(what, "flood") == 0) {
    long threads = argc > 3 ? atol(argv[3]) : 1;
    pthread_t ids[64];
    rounds = number;
    if (threads > 64) return 2;
    long count = 0;
    for (long i = 0; i < threads; i++)
      if (pthread_create(&ids[i], NULL, flood, NULL)) return 2;
    for (long i = 0; i < threads; i++) {
      void *of;
      pthread_join(ids[i], &of);
      count += (long)of;
    }
    printf("done %ld\n", count);
  } else if (strcmp(what, "forks") == 0) {
    for (long i = 0; i < number; i++) {
      pid_t child = fork();
      if (child < 0) return 2;
      if (child == 0) _exit(syscall(SYS_keyctl, 0, -3) == -1 && errno == EPERM ? 0 : 1);
    }
    int bad = 0, status;
    while (wait(&status) > 0) bad += status != 0;
    printf("done %d\n", bad);
  } else if (strcmp(what, "numbers") == 0) {
    for (long i = 0; i < number; i++) syscall(600 + i);
    puts("done");
  } else if (strcmp(what, "hang") == 0) {
    struct sigaction act = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 1000}, {0, 1000}};
    sigaction(SIGALRM, &act, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    time_t until = time(NULL) + number;
    long good = 0, bad = 0;
    while (time(NULL) < until) {
      if (refused()) good++;
      else bad++;
    }
    printf("%ld %ld\n", good, bad);
  } else
    return 2;
  return 0;
}
