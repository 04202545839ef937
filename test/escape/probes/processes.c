/* Processes outside of the sandbox, and PID 1, which is the runtime's. */
#include "probe.h"
#include <linux/capability.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

enum { IOPRIO_WHO_PROCESS = 1 };

static pid_t outside(void) { return (pid_t)given_number("PROBE_PID"); }

static void not_ours(void) {
    if (init_is_ours()) ok("PID 1 is the workload itself");
}

static void trace(pid_t pid, const char *whom) {
    if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) leak("ptrace of %s", whom);
    int kept = errno;
    if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0) leak("ptrace of %s", whom);
    errno = kept;
    refused("ptrace");
}

static void trace_init(void) {
    not_ours();
    trace(1, "PID 1");
}

static void trace_outside(void) { trace(outside(), "a process of the host"); }

static void memory_of(pid_t pid, const char *whom) {
    char bytes[16];
    struct iovec here = {bytes, sizeof bytes}, there = {NULL, sizeof bytes};
    /* Where static programs are loaded; the tether too. */
    static const uintptr_t places[] = {0x400000, 0x401000, 0x10000, 0x200000, 0x500000};
    for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
        there.iov_base = (void *)places[at];
        if (syscall(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0) > 0) leak("the memory of %s can be read", whom);
        /* EFAULT comes after the question whether one may. */
        if (errno == EFAULT) leak("the memory of %s is open", whom);
    }
    refused("process_vm_readv");
}

static void memory_of_init(void) {
    not_ours();
    memory_of(1, "PID 1");
}

static void memory_of_outside(void) { memory_of(outside(), "a process of the host"); }

static void file_of_init(const char *path, int flags) {
    not_ours();
    int fd = open(path, flags | O_CLOEXEC);
    if (fd >= 0) leak("%s opens", path);
    refused(path);
}

static void init_memory_file(void) { file_of_init("/proc/1/mem", O_RDWR); }

/* CVE-2019-5736: the runtime's own program, held open by /proc/self/exe and written once nobody runs it. ETXTBSY is no barrier
 * then; a read-only mount, its mode, or a seal (fcntl(2), F_SEAL_WRITE) is. */
static void overwrite(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) refused(path);
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals >= 0 && seals & F_SEAL_WRITE) ok("%s is sealed", path);
    if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0) leak("%s can be written once it does not run", path);
    refused(path);
}

static void init_executable(void) {
    not_ours();
    overwrite("/proc/1/exe");
}

static void own_executable(void) { overwrite("/proc/self/exe"); }

static void init_environment(void) {
    char bytes[8192];
    not_ours();
    ssize_t length = content("/proc/1/environ", bytes, sizeof bytes);
    if (length > 0) leak("/proc/1/environ shows %zd bytes", length);
    ok("/proc/1/environ: %s", length < 0 ? why() : "empty");
}

static void environment(void) {
    if (getenv("PROBE_SECRET")) leak("the environment of the launcher can be seen");
    ok("the environment is the job's own");
}

static void init_root(void) {
    not_ours();
    int fd = open("/proc/1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && sees_host_from(fd)) leak("/proc/1/root is the host's root");
    ok("/proc/1/root: %s", fd < 0 ? why() : "the sandbox's own");
}

/* Up from a directory to the root of its tree. */
static bool leads_to_host(int directory) {
    int at = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int up = 0; at >= 0 && up < 64; up++) {
        int parent = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = parent;
    }
    bool seen = at >= 0 && sees_host_from(at);
    if (at >= 0) close(at);
    return seen;
}

static void init_directory(void) {
    not_ours();
    int fd = open("/proc/1/cwd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && leads_to_host(fd)) leak("/proc/1/cwd leads to the host's root");
    ok("/proc/1/cwd: %s", fd < 0 ? why() : "the sandbox's own");
}

/* What lies behind a descriptor that somebody else opened. */
static void judge_descriptor(int fd, const char *whose) {
    struct stat at;
    char bytes[64];
    if (fstat(fd, &at) < 0) return;
    if (S_ISDIR(at.st_mode) && leads_to_host(fd)) leak("%s leads to the host's root", whose);
    if (!S_ISREG(at.st_mode)) return;
    ssize_t length = pread(fd, bytes, sizeof bytes - 1, 0);
    if (length <= 0) return;
    bytes[length] = 0;
    if (strstr(bytes, given("PROBE_NAME"))) leak("%s shows a secret of the host", whose);
}

static void descriptors_of_others(void) {
    DIR *all = opendir("/proc");
    struct dirent *process, *entry;
    int seen = 0, closed = 0;
    if (!all) refused("/proc");
    while ((process = readdir(all))) {
        char path[600];
        long pid = strtol(process->d_name, NULL, 10);
        if (pid <= 0 || pid == getpid()) continue;
        snprintf(path, sizeof path, "/proc/%ld/fd", pid);
        DIR *descriptors = opendir(path);
        if (!descriptors) {
            closed++;
            continue;
        }
        while ((entry = readdir(descriptors))) {
            if (entry->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "/proc/%ld/fd/%.200s", pid, entry->d_name);
            int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
            if (fd < 0) continue;
            seen++;
            judge_descriptor(fd, path);
            close(fd);
        }
        closedir(descriptors);
    }
    closedir(all);
    ok("%d descriptors of others opened, none of the host's; %d processes closed", seen, closed);
}

static void inherited(void) {
    /* 3 and above, but the probe's own pipe, which closes on exec. */
    for (int fd = 3; fd < 4096; fd++) {
        char path[64], target[PATH_MAX] = "";
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || flags & FD_CLOEXEC) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, target, sizeof target - 1) < 0) strcpy(target, "something");
        leak("descriptor %d is %.200s", fd, target);
    }
    ok("no descriptor but 0 to 2");
}

/* Steals descriptors of PID 1: what pidfd_getfd asks is what ptrace asks. */
static void descriptors_of_init(void) {
    not_ours();
    long process = syscall(SYS_pidfd_open, 1, 0);
    if (process < 0) refused("pidfd_open");
    int first = 0;
    for (int fd = 0; fd < 64; fd++) {
        if (syscall(SYS_pidfd_getfd, process, fd, 0) >= 0) leak("descriptor %d of PID 1 was taken", fd);
        if (errno != EBADF || !first) first = errno;
    }
    errno = first;
    refused("pidfd_getfd");
}

static void signal_outside(void) {
    if (kill(outside(), 0) == 0) leak("a process of the host can be signalled");
    if (errno == EPERM) leak("a process of the host is known by its number");
    refused("kill");
}

/* Whoever hears this outside says so after the run. */
static void signal_all(void) {
    signal(SIGURG, SIG_IGN);
    kill(-1, SIGURG);
    ok("sent to all that can be seen");
}

/* If one of these ends PID 1, nothing is left to print the next line. */
static void signal_init(void) {
    not_ours();
    int delivered = 0;
    for (int number = 1; number < 65; number++)
        if (number != SIGKILL && number != SIGSTOP && number != SIGCONT && kill(1, number) == 0) delivered++;
    usleep(20000);
    if (kill(1, 0) < 0 && errno == ESRCH) leak("PID 1 is gone");
    ok("%d signals sent to PID 1, and it is there", delivered);
}

static void see_outside(void) {
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)outside());
    if (content(path, text, sizeof text - 1) > 0) leak("/proc shows a process of the host: %.20s", text);
    refused("/proc of a process of the host");
}

static void schedule(pid_t pid, const char *whom) {
    cpu_set_t set;
    struct rlimit limit;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, (id_t)pid), kept = errno;
    if (kept == 0 && setpriority(PRIO_PROCESS, (id_t)pid, nice) == 0) leak("setpriority of %s", whom);
    if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) == 0) leak("prlimit of %s", whom);
    if (sched_getaffinity(pid, sizeof set, &set) == 0 && sched_setaffinity(pid, sizeof set, &set) == 0)
        leak("sched_setaffinity of %s", whom);
    if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, (2 << 13) | 4) == 0) leak("ioprio_set of %s", whom);
    if (syscall(SYS_migrate_pages, pid, 0, NULL, NULL) == 0) leak("migrate_pages of %s", whom);
    refused("prlimit, setpriority, sched_setaffinity, ioprio_set");
}

static void schedule_init(void) {
    not_ours();
    schedule(1, "PID 1");
}

static void schedule_outside(void) { schedule(outside(), "a process of the host"); }

static void join(const char *path, int kind, const char *what) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) refused(path);
    if (setns(fd, kind) == 0) leak("joined %s", what);
    refused("setns");
}

static void join_init(void) {
    static const struct {
        const char *name;
        int kind;
    } all[] = {{"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS}, {"net", CLONE_NEWNET},
               {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}};
    int last = 0;
    not_ours();
    for (size_t at = 0; at < sizeof all / sizeof *all; at++) {
        char path[64], own[64], here[64] = "", there[64] = "";
        snprintf(path, sizeof path, "/proc/1/ns/%s", all[at].name);
        snprintf(own, sizeof own, "/proc/self/ns/%s", all[at].name);
        if (readlink(path, there, sizeof there - 1) < 0) {
            last = errno;
            continue;
        }
        if (readlink(own, here, sizeof here - 1) > 0 && strcmp(here, there) == 0) continue;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && setns(fd, all[at].kind) == 0) leak("joined the %s namespace of PID 1", all[at].name);
        last = errno;
    }
    errno = last;
    ok("no other namespace of PID 1's could be joined: %s", last ? why() : "it has none");
}

static void join_by_pidfd(void) {
    not_ours();
    long process = syscall(SYS_pidfd_open, 1, 0);
    if (process < 0) refused("pidfd_open");
    if (setns((int)process, CLONE_NEWUSER) == 0) leak("joined the user namespace of PID 1");
    refused("setns of a pidfd");
}

/* A namespace that the host keeps by a bind mount, as `ip netns` does. */
static void join_host(void) { join(on_host("netns"), CLONE_NEWNET, "a network namespace of the host"); }

static void rewrite_map(void) {
    int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
    if (fd < 0) refused("/proc/self/uid_map");
    if (write(fd, "0 0 4294967295", 14) == 14) leak("the user namespace was given all ids");
    refused("/proc/self/uid_map");
}

static void gain(const char *file) {
    char line[200] = "", *end;
    unsigned long long now, before = effective_capabilities();
    int ends[2], uid, gid;
    if (pipe2(ends, O_CLOEXEC) < 0) broken("pipe: %s", why());
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(on_host(file), "probe", "--who", NULL);
        printf("exec %s\n", why());
        fflush(stdout);
        _exit(0);
    }
    close(ends[1]);
    if (read(ends[0], line, sizeof line - 1) <= 0) strcpy(line, "nothing");
    if ((end = strchr(line, '\n'))) *end = 0;
    if (sscanf(line, "%d %d %llx", &uid, &gid, &now) != 3) ok("%s", line);
    if (uid != (int)geteuid()) leak("uid %d became %d", (int)geteuid(), uid);
    if (now & ~before) leak("capabilities %llx were gained", now & ~before);
    ok("still uid %d with capabilities %llx", uid, now);
}

static void set_uid(void) { gain("set-uid"); }
static void file_capabilities(void) { gain("with-capabilities"); }

static void ambient(void) {
    int raised = 0;
    for (unsigned long one = 0; one < 64; one++) {
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2];
        if (syscall(SYS_capget, &header, data) == 0) {
            data[0].inheritable = data[0].permitted;
            data[1].inheritable = data[1].permitted;
            syscall(SYS_capset, &header, data);
        }
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0) == 0) raised++;
    }
    if (raised > 0 && initial_user_namespace()) leak("%d capabilities of the host can be handed on", raised);
    ok("%d capabilities can be handed on, in %s user namespace", raised, initial_user_namespace() ? "the host's" : "its own");
}

static void capabilities(void) {
    unsigned long long held = effective_capabilities();
    if (held && initial_user_namespace()) leak("capabilities %llx in the host's user namespace", held);
    ok("capabilities %llx in %s user namespace", held, initial_user_namespace() ? "the host's" : "its own");
}

/* Takes every capability back that a bug left in the permitted or the bounding set. */
static void raise_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{~0u, ~0u, ~0u}, {0x1ff, 0x1ff, 0x1ff}};
    unsigned long long before = effective_capabilities();
    if (syscall(SYS_capset, &header, data) == 0 && effective_capabilities() != before) leak("all capabilities were taken");
    refused("capset");
}

static void change_user(void) {
    uid_t before = getuid();
    /* Above what any map of a sandbox holds: root of the host alone may become it. */
    if (setresuid(4000000000u, 4000000000u, 4000000000u) == 0) leak("uid %d became 4000000000", (int)before);
    refused("setresuid of a host's user");
}

const struct probe process_probes[] = {
    {"ptrace-init", trace_init},
    {"ptrace-outside", trace_outside},
    {"memory-of-init", memory_of_init},
    {"memory-of-outside", memory_of_outside},
    {"init-mem-file", init_memory_file},
    {"init-exe", init_executable},
    {"own-exe", own_executable},
    {"init-environ", init_environment},
    {"inherited-environment", environment},
    {"init-root", init_root},
    {"init-cwd", init_directory},
    {"descriptors-of-others", descriptors_of_others},
    {"inherited-descriptors", inherited},
    {"steal-descriptors-of-init", descriptors_of_init},
    {"kill-outside", signal_outside},
    {"kill-all", signal_all},
    {"kill-init", signal_init},
    {"see-outside", see_outside},
    {"schedule-init", schedule_init},
    {"schedule-outside", schedule_outside},
    {"setns-init", join_init},
    {"setns-pidfd", join_by_pidfd},
    {"setns-host-file", join_host},
    {"rewrite-uid-map", rewrite_map},
    {"set-uid-file", set_uid},
    {"file-capabilities", file_capabilities},
    {"ambient-capabilities", ambient},
    {"capabilities", capabilities},
    {"capset", raise_capabilities},
    {"foreign-uid", change_user},
    {NULL, NULL},
};
