/* Doors into the kernel: what needs no file and no process of somebody else. A call counts as open when the kernel answers
 * anything but a refusal; each is asked with arguments that change nothing. */
#include "probe.h"
#include <linux/bpf.h>
#include <linux/fanotify.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/timex.h>
#ifdef __x86_64__
#include <asm/ldt.h>
#endif

static bool is_refusal(int error) {
    /* ENODEV, EOPNOTSUPP: the kernel was built without it. */
    return error == EPERM || error == EACCES || error == ENOSYS || error == EOPNOTSUPP || error == ENODEV;
}

/* For calls whose permission is asked before their arguments are looked at. */
static void door(const char *name, long answer) {
    if (answer >= 0) leak("%s works", name);
    if (!is_refusal(errno)) leak("%s is allowed: %s is about its arguments", name, why());
    refused(name);
}

static void read_key(int keyring, const char *whose) {
    char text[200] = "";
    long key = syscall(SYS_keyctl, KEYCTL_SEARCH, keyring, "user", given("PROBE_KEY"), 0);
    if (key < 0) refused("keyctl");
    if (syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof text - 1, 0) < 0) leak("the host's key %ld was found in %s", key, whose);
    leak("the host's key was read from %s", whose);
}

static void session_keys(void) { read_key(KEY_SPEC_SESSION_KEYRING, "the launcher's session"); }
static void user_keys(void) { read_key(KEY_SPEC_USER_KEYRING, "the user's keyring"); }

static void request_key(void) {
    long key = syscall(SYS_request_key, "user", given("PROBE_KEY"), NULL, 0);
    if (key >= 0) leak("request_key found the host's key");
    refused("request_key");
}

static void load_bpf(void) {
    struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0}, {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2, .insns = (uintptr_t)code, .license = (uintptr_t) "GPL"};
    door("bpf(BPF_PROG_LOAD)", syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes));
}

static void bpf_map(void) {
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
    door("bpf(BPF_MAP_CREATE)", syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

static void watch_kernel(void) {
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes, .config = PERF_COUNT_SW_CPU_CLOCK};
    if (syscall(SYS_perf_event_open, &attributes, -1, 0, -1, 0) >= 0) leak("perf_event_open watches a whole CPU");
    if (syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0) >= 0) leak("perf_event_open watches the kernel");
    refused("perf_event_open");
}

static void user_faults(void) { door("userfaultfd", syscall(SYS_userfaultfd, 0)); }

static void io_uring(void) {
    static char parameters[512];
    door("io_uring_setup", syscall(SYS_io_uring_setup, 1, parameters));
}

static void load_kernel(void) {
    /* No such flags: a kernel that allows the call says EINVAL. */
    door("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0xffff));
}

#ifdef SYS_kexec_file_load
static void load_kernel_file(void) { door("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, "", 0xffff)); }
#endif

static void load_module(void) { door("init_module", syscall(SYS_init_module, "no module", 9, "")); }
static void load_module_file(void) { door("finit_module", syscall(SYS_finit_module, -1, "", 0)); }
static void remove_module(void) { door("delete_module", syscall(SYS_delete_module, "no_such_module_of_a_probe", O_NONBLOCK)); }

/* "Shocker" (2014): inode 2 is the root of every ext file system. */
static void open_handle(void) {
    struct {
        struct file_handle handle;
        uint32_t inode[2];
    } root = {{8, 1}, {2, 0}};
    int mount = open(given("PROBE_DIR"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (mount < 0) refused("a directory of the host");
    long fd = syscall(SYS_open_by_handle_at, mount, &root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && sees_host_from((int)fd)) leak("open_by_handle_at opened the host's root");
    door("open_by_handle_at", fd);
}

static void kernel_log(void) {
    static char text[4096];
    long length = syscall(SYS_syslog, 3, text, sizeof text);
    if (length >= 0) leak("syslog shows %ld bytes", length);
    refused("syslog");
}

static void adjust_clock(void) {
    struct timex now = {.modes = 0};
    if (adjtimex(&now) < 0) refused("adjtimex");
    now.modes = ADJ_MAXERROR;
    if (adjtimex(&now) >= 0) leak("adjtimex sets the host's clock");
    refused("adjtimex");
}

static void set_clock(void) {
    struct timezone {
        int west, dst;
    } zone = {0, 0};
    if (syscall(SYS_gettimeofday, NULL, &zone) < 0) refused("gettimeofday");
    door("settimeofday", syscall(SYS_settimeofday, NULL, &zone));
}

static void stop_machine(void) {
    struct stat here;
    /* No such magic number. In a pid namespace of its own it could only end that. */
    if (syscall(SYS_reboot, 0, 0, 0, NULL) < 0 && is_refusal(errno)) refused("reboot");
    if (stat("/proc/self/ns/pid", &here) == 0 && here.st_ino == 0xEFFFFFFCu) leak("reboot is allowed in the host's pid namespace");
    ok("reboot is about its own pid namespace");
}

static void swap(void) { door("swapon", syscall(SYS_swapon, "/no-such-file-of-a-probe", 0)); }
static void accounting(void) { door("acct", syscall(SYS_acct, "/no-such-file-of-a-probe")); }

static void quotas(void) {
    static char information[256];
    int fd = open(given("PROBE_DIR"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) refused("a directory of the host");
    /* Q_SETINFO of user quotas: EROFS is the mount's refusal. */
    long answer = syscall(SYS_quotactl_fd, fd, 0x80000600u, 0, information);
    if (answer < 0 && errno == EROFS) refused("quotactl_fd");
    door("quotactl_fd", answer);
}

/* The harness looks at its own name afterwards. */
static void rename_host(void) {
    if (sethostname("renamed-by-a-probe", 18) == 0) ok("set; whose name it is the harness sees");
    refused("sethostname");
}

static void watch_files(void) {
    long fd = syscall(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_FID, O_RDONLY);
    if (fd < 0) refused("fanotify_init");
    if (syscall(SYS_fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, AT_FDCWD, given("PROBE_DIR")) == 0)
        leak("fanotify watches a file system of the host");
    int first = errno;
    if (syscall(SYS_fanotify_mark, fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, "/") == 0) leak("fanotify watches a mount");
    errno = first;
    refused("fanotify_mark");
}

/* A core in the host's directory, or a handler that runs outside. */
static void core_dump(void) {
    struct rlimit limit;
    struct dirent *entry;
    const char *directory = on_host("open-to-all");
    if (chdir(directory) < 0) refused("chdir");
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CORE, &limit);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        abort();
    }
    waitpid(child, NULL, 0);
    DIR *all = opendir(directory);
    while (all && (entry = readdir(all)))
        if (strncmp(entry->d_name, "core", 4) == 0) {
            unlink(on_host("open-to-all/core"));
            leak("a core was written into a directory of the host: %s", entry->d_name);
        }
    ok("no core in the host's directories");
}

static void personality_of_exploits(void) {
    /* READ_IMPLIES_EXEC and MMAP_PAGE_ZERO take away what makes a hole in the kernel hard to use. */
    long answer = syscall(SYS_personality, 0x0400000ul | 0x0100000ul);
    if (answer >= 0) leak("personality(READ_IMPLIES_EXEC | MMAP_PAGE_ZERO)");
    refused("personality");
}

static void realtime(void) {
    struct sched_param one = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &one) == 0) leak("it has a real-time priority");
    int first = errno;
    if (setpriority(PRIO_PROCESS, 0, -20) == 0) leak("it has nice -20");
    errno = first;
    refused("sched_setscheduler(SCHED_FIFO)");
}

static void oom_score(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) refused("/proc/self/oom_score_adj");
    if (write(fd, "-1000", 5) == 5) leak("the OOM killer passes it over");
    refused("oom_score_adj -1000");
}

static void raise_limits(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) refused("getrlimit");
    limit.rlim_max += 1;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) leak("it raised its hard limit of descriptors");
    refused("setrlimit");
}

/* A program below its own filter must not see more of the kernel through another door than through the usual one. */
static const struct {
    const char *name;
    long native, i386;
    uint32_t first, second;
} twice[] = {
    {"keyctl", SYS_keyctl, 288, KEYCTL_GET_KEYRING_ID, (uint32_t)KEY_SPEC_SESSION_KEYRING},
    {"unshare", SYS_unshare, 310, CLONE_NEWUSER, 0},
    {"io_uring_setup", SYS_io_uring_setup, 425, 1, 0},
    {"userfaultfd", SYS_userfaultfd, 374, 1, 0},
    {"personality", SYS_personality, 136, 0x0400000, 0},
    {"ptrace", SYS_ptrace, 26, PTRACE_TRACEME, 0},
    {"bpf", SYS_bpf, 357, BPF_PROG_LOAD, 0},
    {"mount", SYS_mount, 21, 0, 0},
};

#ifdef __x86_64__
static long by_interrupt(long number, uint32_t first, uint32_t second) {
    long answer;
    __asm__ volatile("int $0x80"
                     : "=a"(answer)
                     : "a"(number), "b"((long)first), "c"((long)second), "d"(0l), "S"(0l), "D"(0l)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int)answer;
}

static void through(bool interrupt, const char *door_name) {
    int refusals = 0;
    for (size_t at = 0; at < sizeof twice / sizeof *twice; at++) {
        /* Each in a child: one that works would change the answer to the next. */
        pid_t child = fork();
        if (child == 0) {
            errno = 0;
            long usual = syscall(twice[at].native, (long)(int32_t)twice[at].first, (long)(int32_t)twice[at].second, 0, 0, 0);
            if (usual >= 0 || (errno != EPERM && errno != ENOSYS)) _exit(0);
            long other;
            if (interrupt) other = by_interrupt(twice[at].i386, twice[at].first, twice[at].second);
            else {
                other = syscall(twice[at].native | 0x40000000, (long)(int32_t)twice[at].first, (long)(int32_t)twice[at].second, 0, 0, 0);
                if (other < 0) other = -errno;
            }
            if (other == -EPERM || other == -ENOSYS || other == -EACCES) _exit(1);
            /* Refused by the usual door for its arguments, not by a filter. */
            leak("%s is refused as a system call and answers %ld through %s", twice[at].name, other, door_name);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) ok("%s: SIGSYS", door_name);
        if (WIFSIGNALED(status)) ok("%s: SIG%s", door_name, sigabbrev_np(WTERMSIG(status)));
        if (WEXITSTATUS(status) == 1) refusals++;
    }
    ok("%s: %d of %zu calls refused, and none that is refused otherwise works", door_name, refusals, sizeof twice / sizeof *twice);
}

static void i386_door(void) { through(true, "int 0x80"); }
static void x32_door(void) { through(false, "x32"); }

static void ports(void) {
    if (syscall(SYS_iopl, 3) == 0) leak("iopl(3)");
    int first = errno;
    if (syscall(SYS_ioperm, 0x80, 1, 1) == 0) leak("ioperm of port 0x80");
    errno = first;
    refused("iopl");
}

static void segments(void) {
    struct user_desc segment = {.entry_number = 0, .limit = 0xfffff, .seg_32bit = 0, .contents = 2, .limit_in_pages = 1};
    if (syscall(SYS_modify_ldt, 1, &segment, sizeof segment) == 0) leak("modify_ldt makes a 16-bit code segment");
    refused("modify_ldt");
}
#endif

const struct probe kernel_probes[] = {
    {"session-keyring", session_keys},
    {"user-keyring", user_keys},
    {"request-key", request_key},
    {"bpf-program", load_bpf},
    {"bpf-map", bpf_map},
    {"perf-event-open", watch_kernel},
    {"userfaultfd", user_faults},
    {"io-uring", io_uring},
    {"kexec-load", load_kernel},
#ifdef SYS_kexec_file_load
    {"kexec-file-load", load_kernel_file},
#endif
    {"init-module", load_module},
    {"finit-module", load_module_file},
    {"delete-module", remove_module},
    {"open-by-handle-at", open_handle},
    {"syslog", kernel_log},
    {"adjtimex", adjust_clock},
    {"settimeofday", set_clock},
    {"reboot", stop_machine},
    {"swapon", swap},
    {"acct", accounting},
    {"quotactl", quotas},
    {"sethostname", rename_host},
    {"fanotify", watch_files},
    {"core-dump", core_dump},
    {"personality", personality_of_exploits},
    {"realtime-priority", realtime},
    {"oom-score", oom_score},
    {"raise-rlimit", raise_limits},
#ifdef __x86_64__
    {"i386-door", i386_door},
    {"x32-door", x32_door},
    {"io-ports", ports},
    {"modify-ldt", segments},
#endif
    {NULL, NULL},
};
