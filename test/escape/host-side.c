/* The host that the probes try to reach: host-side DIR [--user UID:GID] -- COMMAND...
 *
 * Runs a command (a runtime that runs the probes) in a host of its own, as far as namespaces go: whatever a probe does to it stays
 * away from the machine. Root and all capabilities stay the machine's, so a runtime finds what it finds on any host.
 * Around the command is everything that a probe looks for: secrets, listeners, keys, descriptors, a terminal. Afterwards it says
 * `LEAK NAME what-happened` for what it sees from this side, and last of all `status N`, the command's own (128+n for a signal).
 * Values that both sides know are in the environment (PROBE_*); the harness sets them, runtimes.ts says what they mean. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

enum { INHERITED_FILE = 57, INHERITED_ROOT = 58 };

/* Written by the victim, read by us. */
struct seen {
    volatile int signal, connected, written;
};
static struct seen *seen;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "host-side: %s: %s\n", what, strerror(errno));
    exit(125);
}

#define MUST(call) \
    do \
        if ((call) < 0) fail(#call); \
    while (0)

static const char *given(const char *name) {
    const char *value = getenv(name);
    if (value && *value) return value;
    fprintf(stderr, "host-side: the environment has no %s\n", name);
    exit(125);
}

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) fail(path);
    close(fd);
}

static void make(const char *path, mode_t mode, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0) fail(path);
    close(fd);
}

static void network(void) {
    struct ifreq lo = {.ifr_name = "lo"};
    struct sockaddr_in *at = (void *)&lo.ifr_addr;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    lo.ifr_flags = IFF_UP | IFF_LOOPBACK;
    MUST(ioctl(fd, SIOCSIFFLAGS, &lo));
    strcpy(lo.ifr_name, "lo:1");
    memset(&lo.ifr_addr, 0, sizeof lo.ifr_addr);
    at->sin_family = AF_INET;
    inet_pton(AF_INET, given("PROBE_ADDRESS"), &at->sin_addr);
    MUST(ioctl(fd, SIOCSIFADDR, &lo));
    close(fd);
}

/* Copies of the probe that would gain something where set-user-ID and file capabilities count. */
static void privileged_copies(void) {
    struct vfs_cap_data some = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, .data = {{1u << CAP_SYS_ADMIN | 1u << CAP_SYS_PTRACE, 0}}};
    MUST(chmod("set-uid", 04755));
    MUST(setxattr("with-capabilities", "security.capability", &some, XATTR_CAPS_SZ_2, 0));
}

/* The project itself, where it lies in a directory that is about to be covered. */
static int hold(const char *path) {
    if (strncmp(path, "/tmp/", 5) != 0 && strncmp(path, "/run/", 5) != 0) return -1;
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
    if (tree < 0) fail(path);
    return tree;
}

static void put_back(int tree, const char *path) {
    char part[PATH_MAX];
    if (tree < 0) return;
    snprintf(part, sizeof part, "%s/", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST) fail(part);
        *slash = '/';
    }
    MUST(syscall(SYS_move_mount, tree, "", AT_FDCWD, path, 4 /* MOVE_MOUNT_F_EMPTY_PATH */));
    close(tree);
}

static void files(void) {
    const char *name = given("PROBE_NAME");
    char path[PATH_MAX];
    int project = hold(given("PROBE_PROJECT"));
    make("secret", 0600, name);
    make("writable-by-all", 0666, "text");
    MUST(mkdir("open-to-all", 0700));
    MUST(chmod("open-to-all", 01777));
    MUST(mkfifo("fifo", 0600));
    MUST(chmod("fifo", 0666));
    MUST(mknod("disk", S_IFBLK | 0600, makedev(atoi(given("PROBE_MAJOR")), atoi(given("PROBE_MINOR")))));
    MUST(chmod("disk", 0666));
    /* Another file system in the tree, as /home or /var can be. */
    MUST(mkdir("other", 0700));
    MUST(mount("none", "other", "tmpfs", 0, "mode=755"));
    MUST(mkfifo("other/fifo", 0600));
    MUST(chmod("other/fifo", 0666));
    make("netns", 0444, "");
    MUST(mount("/proc/self/ns/net", "netns", NULL, MS_BIND, NULL));
    privileged_copies();
    /* Once in the directory that a mount covers, once in what covers it. */
    make(given("PROBE_MARK"), 0644, name);
    MUST(mount("none", "/tmp", "tmpfs", 0, "mode=1777"));
    make(given("PROBE_MARK"), 0644, name);
    MUST(mount("none", "/run", "tmpfs", 0, "mode=755"));
    put_back(project, given("PROBE_PROJECT"));
    MUST(mount("none", "/dev/shm", "tmpfs", 0, "mode=1777"));
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    make(path, 0666, name);
    snprintf(path, sizeof path, "/%s", name);
    mqd_t queue = mq_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666, NULL);
    if (queue == (mqd_t)-1) fail("mq_open");
    int id = shmget((key_t)strtol(given("PROBE_SHM_KEY"), NULL, 10), 4096, IPC_CREAT | 0666);
    if (id < 0) fail("shmget");
}

static int listening(int family, const void *address, socklen_t size) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, address, size) < 0 || listen(fd, 16) < 0) fail("a listener");
    return fd;
}

static void heard(int number) { seen->signal = number; }

/* A process of the host with everything that a probe would like to reach. */
static _Noreturn void victim(int ready) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(given("PROBE_PORT")))};
    struct sockaddr_un named = {.sun_family = AF_UNIX, .sun_path = "socket"}, abstract = {.sun_family = AF_UNIX};
    struct sockaddr_un other = {.sun_family = AF_UNIX, .sun_path = "other/socket"};
    int length = snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "%s", given("PROBE_NAME"));
    struct pollfd all[] = {
        {.fd = listening(AF_INET, &any, sizeof any), .events = POLLIN},
        {.fd = listening(AF_UNIX, &named, sizeof named), .events = POLLIN},
        {.fd = listening(AF_UNIX, &abstract, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)), .events = POLLIN},
        {.fd = listening(AF_UNIX, &other, sizeof other), .events = POLLIN},
        {.fd = open("fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC), .events = POLLIN},
        {.fd = open("other/fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC), .events = POLLIN},
    };
    enum { WATCHED = sizeof all / sizeof *all, FIFOS = WATCHED - 2 };
    int event = open("/sys/class/mem/null/uevent", O_WRONLY | O_CLOEXEC);
    MUST(chmod("socket", 0666));
    MUST(chmod("other/socket", 0666));
    prctl(PR_SET_NAME, "host-victim");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGURG, heard);
    signal(SIGTERM, heard);
    if (write(ready, "", 1) != 1) _exit(1);
    close(ready);
    for (;;) {
        int found = poll(all, WATCHED, 100);
        if (event >= 0 && write(event, "change", 6) < 0) event = -1;
        for (int at = 0; found > 0 && at < WATCHED; at++) {
            char bytes[64];
            if (!(all[at].revents & POLLIN)) continue;
            if (at >= FIFOS) {
                if (read(all[at].fd, bytes, sizeof bytes) > 0) seen->written |= 1 << (at - FIFOS);
            } else {
                int one = accept4(all[at].fd, NULL, NULL, SOCK_CLOEXEC);
                if (one >= 0) close(one);
                seen->connected |= 1 << at;
            }
        }
    }
}

static pid_t start_victim(void) {
    pid_t wanted = (pid_t)atoi(given("PROBE_PID"));
    char last[32], byte;
    int ends[2];
    MUST(pipe2(ends, O_CLOEXEC));
    snprintf(last, sizeof last, "%d", wanted - 1);
    put("/proc/sys/kernel/ns_last_pid", last);
    pid_t pid = fork();
    if (pid == 0) victim(ends[1]);
    close(ends[1]);
    if (pid != wanted || read(ends[0], &byte, 1) != 1) fail("the victim's pid");
    close(ends[0]);
    put("/proc/sys/kernel/ns_last_pid", "99");
    return pid;
}

static void keys(void) {
    const char *name = given("PROBE_KEY");
    MUST(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "session of the host"));
    MUST(syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING));
    MUST(syscall(SYS_add_key, "user", name, "secret", 6, KEY_SPEC_SESSION_KEYRING));
    long key = syscall(SYS_add_key, "user", name, "secret", 6, KEY_SPEC_USER_KEYRING);
    MUST(key);
    /* For its possessor and for its user, everything; and the user's keyring outlives us, but the key must not. */
    MUST(syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f0000));
    MUST(syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, key, 120));
}

static bool limited(pid_t pid, struct rlimit *limit, cpu_set_t *set, int *nice) {
    CPU_ZERO(set);
    *nice = getpriority(PRIO_PROCESS, (id_t)pid);
    return prlimit(pid, RLIMIT_NOFILE, NULL, limit) == 0 && sched_getaffinity(pid, sizeof *set, set) == 0;
}

static size_t text_of(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, size - 1);
    if (fd >= 0) close(fd);
    text[length > 0 ? length : 0] = 0;
    return strlen(text);
}

static const char *const settings[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
                                       "/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname"};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* The command on the terminal, with descriptors and keys that are none of its business. */
static _Noreturn void command(char **arguments, const char *terminal, uid_t uid, gid_t gid) {
    char home[] = "/tmp/home", runtime[] = "/tmp/runtime";
    if (uid != 0) {
        MUST(mkdir(home, 0700));
        MUST(mkdir(runtime, 0700));
        MUST(chown(home, uid, gid));
        MUST(chown(runtime, uid, gid));
        setenv("HOME", home, 1);
        setenv("XDG_RUNTIME_DIR", runtime, 1);
    }
    int file = open("secret", O_RDONLY), root = open("/", O_RDONLY | O_DIRECTORY);
    MUST(dup2(file, INHERITED_FILE));
    MUST(dup2(root, INHERITED_ROOT));
    close(file);
    close(root);
    MUST(setsid());
    int slave = open(terminal, O_RDWR | O_CLOEXEC);
    MUST(ioctl(slave, TIOCSCTTY, 0));
    MUST(fchown(slave, uid, gid));
    MUST(dup2(slave, STDIN_FILENO));
    if (uid != 0) {
        MUST(setgroups(0, NULL));
        MUST(setresgid(gid, gid, gid));
        MUST(setresuid(uid, uid, uid));
    }
    keys();
    setenv("PROBE_SECRET", "of the launcher", 1);
    MUST(chdir("/"));
    execvp(arguments[0], arguments);
    fail(arguments[0]);
}

/* A terminal whose input can be looked at without its reader. */
static int open_terminal(char *name, size_t size) {
    struct termios raw;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 || ptsname_r(master, name, size) != 0) fail("a terminal");
    MUST(tcgetattr(master, &raw));
    cfmakeraw(&raw);
    MUST(tcsetattr(master, TCSANOW, &raw));
    return master;
}

static void say_leak(const char *name, const char *what) { printf("LEAK %s %s\n", name, what); }

static int host(char **arguments, uid_t uid, gid_t gid) {
    char terminal[64], before[SETTINGS][300], after[300];
    struct rlimit limit_before, limit_after;
    cpu_set_t set_before, set_after;
    int nice_before, nice_after, status, waiting = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    MUST(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
    MUST(sethostname("host-of-the-probes", 18));
    network();
    files();
    int master = open_terminal(terminal, sizeof terminal);
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t watched = start_victim();
    for (int at = 0; at < SETTINGS; at++) text_of(settings[at], before[at], sizeof before[at]);
    limited(watched, &limit_before, &set_before, &nice_before);

    /* Held open, or the terminal hangs up between two readers. */
    int slave = open(terminal, O_RDWR | O_NOCTTY | O_CLOEXEC);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) command(arguments, terminal, uid, gid);
    for (;;) {
        pid_t gone = wait(&status);
        if (gone == pid) break;
        if (gone < 0 && errno != EINTR) fail("wait");
    }

    if (ioctl(slave, FIONREAD, &waiting) == 0 && waiting > 0) say_leak("tiocsti", "input waits in the launcher's terminal");
    if (seen->signal) say_leak("kill-all", "a process of the host got a signal");
    if (seen->connected & 1) say_leak("host-loopback", "a server of the host was reached");
    if (seen->connected & 2) say_leak("path-socket", "a socket of the host's tree was reached");
    if (seen->connected & 4) say_leak("abstract-socket", "an abstract socket of the host was reached");
    if (seen->connected & 8) say_leak("path-socket-elsewhere", "a socket in another file system of the host was reached");
    if (seen->written & 1) say_leak("host-fifo", "a FIFO of the host was written");
    if (seen->written & 2) say_leak("host-fifo-elsewhere", "a FIFO in another file system of the host was written");
    if (kill(watched, 0) < 0) say_leak("kill-outside", "a process of the host is gone");
    else if (limited(watched, &limit_after, &set_after, &nice_after) &&
             (memcmp(&limit_before, &limit_after, sizeof limit_after) != 0 || !CPU_EQUAL(&set_before, &set_after) || nice_before != nice_after))
        say_leak("schedule-outside", "a process of the host has other limits");
    for (int at = 0; at < SETTINGS; at++) {
        text_of(settings[at], after, sizeof after);
        if (strcmp(before[at], after) == 0) continue;
        printf("LEAK %s %s has changed\n", at < 4 ? "proc-sys-write" : "sethostname", settings[at]);
    }
    text_of("writable-by-all", after, sizeof after);
    if (strcmp(after, "text") != 0) say_leak("world-writable-file", "a file of the host has changed");
    close(master);
    printf("status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    fflush(stdout);
    /* PID 1 of this host: everything in it goes with us. */
    return 0;
}

int main(int count, char **arguments) {
    unsigned uid = 0, gid = 0;
    int at = 2;
    if (at + 1 < count && strcmp(arguments[at], "--user") == 0 && sscanf(arguments[at + 1], "%u:%u", &uid, &gid) == 2) at += 2;
    if (at + 1 >= count || strcmp(arguments[at], "--") != 0) {
        fprintf(stderr, "usage: host-side DIR [--user UID:GID] -- COMMAND...\n");
        return 125;
    }
    MUST(chdir(arguments[1]));
    MUST(unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET));
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) return host(arguments + at + 1, uid, gid);
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
