/* Taking more of the machine than is the job's. The harness gives each a sandbox of its own, with 128 MiB and 128 processes where
 * the runtime has limits: a sandbox that is killed for it has held. Every loop ends by itself where nothing else ends it. */
#include "probe.h"
#include <sys/mman.h>
#include <sys/resource.h>

enum { PROCESSES = 1024, FILES = 400000, NAMES = 400000, MEBIBYTES = 512, SECONDS = 14 };

/* Slower than the deadline is held back too: memory.high works so. */
static bool late(void) {
    static time_t began;
    time_t now = time(NULL);
    if (!began) began = now;
    return now - began > SECONDS;
}

static int sleeper(void *unused) {
    (void)unused;
    for (;;) pause();
    return 0;
}

static void processes(void) {
    static char stacks[PROCESSES][512] __attribute__((aligned(16)));
    static pid_t made[PROCESSES];
    int count = 0, error = 0;
    while (count < PROCESSES && !late()) {
        pid_t child = clone(sleeper, stacks[count] + sizeof stacks[count], CLONE_VM | SIGCHLD, NULL);
        if (child < 0) {
            error = errno;
            break;
        }
        made[count++] = child;
    }
    for (int at = 0; at < count; at++) kill(made[at], SIGKILL);
    while (waitpid(-1, NULL, 0) > 0) continue;
    if (count == PROCESSES) leak("%d processes, and no end", count);
    errno = error;
    ok("%d processes, then %s", count, error ? why() : "too slow");
}

static void files(const char *directory) {
    char path[PATH_MAX];
    int made = 0, error = 0;
    snprintf(path, sizeof path, "%s/.files-of-a-probe", directory);
    if (mkdir(path, 0700) < 0) refused(path);
    if (chdir(path) < 0) refused(path);
    while (made < FILES) {
        char name[32];
        snprintf(name, sizeof name, "%d", made);
        if (mknod(name, S_IFREG | 0600, 0) < 0) {
            error = errno;
            break;
        }
        made++;
        if (made % 1024 == 0 && late()) break;
    }
    for (int at = 0; at < made; at++) {
        char name[32];
        snprintf(name, sizeof name, "%d", at);
        unlink(name);
    }
    rmdir(path);
    if (made == FILES) leak("%d files in %s, and no end", made, directory);
    errno = error;
    ok("%d files in %s, then %s", made, directory, error ? why() : "too slow");
}

static void temporary_files(void) { files("/tmp"); }
static void shared_files(void) { files("/dev/shm"); }
static void run_files(void) { files("/run"); }

static long known_names(void) {
    char text[100];
    ssize_t length = content("/proc/sys/fs/dentry-state", text, sizeof text - 1);
    text[length > 0 ? length : 0] = 0;
    return strtol(text, NULL, 10);
}

/* Each name that is looked up in vain stays in the kernel's memory: it must be the job's memory. */
static void dentries(void) {
    char name[256];
    struct stat at;
    memset(name, 'n', 220);
    /* Names that no earlier run has looked up. */
    memcpy(name, given("PROBE_NAME"), strlen(given("PROBE_NAME")));
    if (chdir("/usr") < 0) refused("chdir");
    long before = known_names();
    int asked = 0;
    for (; asked < NAMES; asked++) {
        snprintf(name + 220, sizeof name - 220, "%d", asked);
        stat(name, &at);
        if (asked % 1024 == 0 && late()) break;
    }
    long grown = known_names() - before;
    if (asked == NAMES && grown > NAMES - NAMES / 20) leak("%ld names more in the kernel's memory", grown);
    ok("%d names looked up, %ld are kept", asked, grown);
}

static void memory(void) {
    for (int mebibyte = 0; mebibyte < MEBIBYTES; mebibyte++) {
        char *room = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (room == MAP_FAILED) ok("%d MiB, then %s", mebibyte, why());
        for (int at = 0; at < 1 << 20; at += 4096) room[at] = 1;
        if (late()) ok("%d MiB, then too slow", mebibyte);
    }
    leak("%d MiB of memory, and no end", MEBIBYTES);
}

static void fills(const char *directory) {
    static char block[1 << 20];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/.block-of-a-probe", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) refused(path);
    unlink(path);
    for (int mebibyte = 0; mebibyte < MEBIBYTES; mebibyte++) {
        errno = ENOSPC;
        if (write(fd, block, sizeof block) != sizeof block) ok("%d MiB in %s, then %s", mebibyte, directory, why());
        if (late()) ok("%d MiB in %s, then too slow", mebibyte, directory);
    }
    leak("%d MiB in %s, and no end", MEBIBYTES, directory);
}

static void temporary_space(void) { fills("/tmp"); }
static void shared_space(void) { fills("/dev/shm"); }
static void device_space(void) { fills("/dev"); }

/* Arguments may take three quarters of 8 MiB, whatever the stack's limit says (execve(2)). */
static void arguments(void) {
    enum { LONGEST = 128 << 10, MOST = 16 << 20 };
    struct rlimit stack = {RLIM_INFINITY, RLIM_INFINITY};
    static char argument[LONGEST];
    static char *all[MOST / LONGEST + 3];
    setrlimit(RLIMIT_STACK, &stack);
    memset(argument, 'a', sizeof argument - 1);
    for (size_t count = MOST / LONGEST; count > 0; count /= 2) {
        all[0] = (char *)(uintptr_t) "probe";
        for (size_t at = 1; at <= count; at++) all[at] = argument;
        all[count + 1] = NULL;
        pid_t child = fork();
        if (child == 0) {
            close(STDERR_FILENO);
            execv("/proc/self/exe", all);
            _exit(errno == E2BIG ? 77 : 78);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) continue;
        if (count * LONGEST > 6 << 20) leak("%zu KiB of arguments were taken", count * LONGEST >> 10);
        ok("%zu KiB of arguments are too many, half of it is not", count * LONGEST >> 9);
    }
    ok("128 KiB of arguments are too many");
}

const struct probe resource_probes[] = {
    {"fork-bomb", processes},     {"files-in-tmp", temporary_files}, {"files-in-shm", shared_files},
    {"files-in-run", run_files},  {"dentries", dentries},            {"memory", memory},
    {"space-in-tmp", temporary_space}, {"space-in-shm", shared_space}, {"space-in-dev", device_space},
    {"huge-argv", arguments},     {NULL, NULL},
};
