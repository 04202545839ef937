/* Files of the host and of the kernel that a sandbox must not read or write. */
#include "probe.h"
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

static void covered_file(const char *path) {
    char bytes[64];
    ssize_t length = content(path, bytes, sizeof bytes);
    if (length < 0) ok("%s: %s", path, why());
    if (length == 0) ok("%s is empty", path);
    leak("%s shows %zd bytes", path, length);
}

static void covered_directory(const char *path) {
    int count = entries(path);
    if (count < 0) ok("%s: %s", path, why());
    if (count == 0) ok("%s is empty", path);
    leak("%s shows %d entries", path, count);
}

static void kcore(void) { covered_file("/proc/kcore"); }
static void timer_list(void) { covered_file("/proc/timer_list"); }
static void kernel_messages(void) { covered_file("/proc/kmsg"); }
static void acpi(void) { covered_directory("/proc/acpi"); }
static void firmware(void) { covered_directory("/sys/firmware"); }
static void security_files(void) { covered_directory("/sys/kernel/security"); }

static void kernel_debug(void) {
    static const char *const paths[] = {"/sys/kernel/debug", "/sys/kernel/tracing", "/sys/fs/bpf", "/sys/fs/pstore"};
    for (size_t at = 0; at < sizeof paths / sizeof *paths; at++)
        if (entries(paths[at]) > 0) leak("%s shows %d entries", paths[at], entries(paths[at]));
    ok("debug, tracing, bpf and pstore are empty");
}

static void efi_variables(void) {
    if (entries("/sys/firmware/efi/efivars") > 0) leak("the variables of the firmware can be seen");
    ok("/sys/firmware/efi/efivars: %s", why());
}

static void key_list(void) {
    static char text[65536];
    ssize_t length = content("/proc/keys", text, sizeof text - 1);
    if (length <= 0) ok("/proc/keys: %s", length < 0 ? why() : "empty");
    text[length] = 0;
    if (strstr(text, given("PROBE_KEY"))) leak("/proc/keys names the host's key");
    ok("/proc/keys does not name the host's key");
}

static void kernel_addresses(void) {
    static char text[65536];
    ssize_t length = content("/proc/kallsyms", text, sizeof text - 1);
    if (length <= 0) ok("/proc/kallsyms: %s", length < 0 ? why() : "empty");
    text[length] = 0;
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strtoull(line, NULL, 16) > 0xffff000000000000ull) leak("/proc/kallsyms: %.40s", line);
    ok("/proc/kallsyms shows no address");
}

static void setting(const char *path) {
    if (rewrites(path)) leak("%s takes what is written", path);
    refused(path);
}

static void core_pattern(void) { setting("/proc/sys/kernel/core_pattern"); }
static void module_loader(void) { setting("/proc/sys/kernel/modprobe"); }
static void uevent_helper(void) {
    static const char *const paths[] = {"/sys/kernel/uevent_helper", "/proc/sys/kernel/hotplug"};
    for (size_t at = 0; at < 2; at++)
        if (rewrites(paths[at])) leak("%s takes what is written", paths[at]);
    refused(paths[0]);
}

static void binary_formats(void) {
    int fd = open_for_writing("/proc/sys/fs/binfmt_misc/register");
    if (fd >= 0) leak("/proc/sys/fs/binfmt_misc/register opens for writing");
    refused("/proc/sys/fs/binfmt_misc/register");
}

/* Settings of namespaces, which are the sandbox's own. */
static bool of_a_namespace(const char *path) {
    static const char *const own[] = {"/proc/sys/net",          "/proc/sys/user",           "/proc/sys/fs/mqueue",
                                      "/proc/sys/kernel/msg",   "/proc/sys/kernel/shm",     "/proc/sys/kernel/sem",
                                      "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname",
                                      "/proc/sys/kernel/auto_msgmni", "/proc/sys/kernel/ns_last_pid",
                                      /* Of the pid namespace since Linux 6.14. */
                                      "/proc/sys/kernel/pid_max"};
    for (size_t at = 0; at < sizeof own / sizeof *own; at++)
        if (strncmp(path, own[at], strlen(own[at])) == 0) return true;
    return false;
}

static void kernel_settings(void) {
    const char *found = first_writable("/proc/sys", 6, of_a_namespace);
    if (found) leak("%s opens for writing", found);
    ok("nothing below /proc/sys opens for writing");
}

static void magic_sysrq(void) {
    int fd = open_for_writing("/proc/sysrq-trigger");
    if (fd >= 0) leak("/proc/sysrq-trigger opens for writing");
    refused("/proc/sysrq-trigger");
}

/* Of processes, of every reader (pressure), or another probe's. */
static bool not_of_the_kernel(const char *path) {
    const char *name = path + strlen("/proc/");
    return (*name >= '0' && *name <= '9') || strncmp(name, "self", 4) == 0 || strncmp(name, "thread-self", 11) == 0 ||
           strncmp(name, "sys/", 4) == 0 || strcmp(name, "sys") == 0 || strncmp(name, "pressure", 8) == 0 ||
           strncmp(name, "net", 3) == 0;
}

static void kernel_files(void) {
    const char *found = first_writable("/proc", 6, not_of_the_kernel);
    if (found) leak("%s opens for writing", found);
    ok("no file of the kernel below /proc opens for writing");
}

static bool other_probes(const char *path) {
    return strcmp(path, "/sys/kernel/debug") == 0 || strcmp(path, "/sys/kernel/tracing") == 0 ||
           strcmp(path, "/sys/fs/cgroup") == 0 || strcmp(path, "/sys/devices/virtual/net") == 0;
}

static void device_files(void) {
    const char *found = first_writable("/sys", 9, other_probes);
    if (found) leak("%s opens for writing", found);
    ok("nothing below /sys opens for writing");
}

static bool other_than_control(const char *path) {
    struct stat at;
    const char *name = strrchr(path, '/') + 1;
    if (lstat(path, &at) < 0) return true;
    return !S_ISDIR(at.st_mode) && strcmp(name, "cgroup.procs") != 0 && strcmp(name, "tasks") != 0 &&
           strcmp(name, "memory.max") != 0 && strcmp(name, "memory.limit_in_bytes") != 0 &&
           strcmp(name, "pids.max") != 0 && strcmp(name, "cgroup.kill") != 0;
}

static void cgroups(void) {
    const char *found = first_writable("/sys/fs/cgroup", 6, other_than_control);
    if (found) leak("%s opens for writing", found);
    ok("no control file below /sys/fs/cgroup opens for writing");
}

static bool other_than_agent(const char *path) {
    struct stat at;
    return lstat(path, &at) < 0 || (!S_ISDIR(at.st_mode) && strcmp(strrchr(path, '/') + 1, "release_agent") != 0);
}

static void release_agent(void) {
    const char *found = first_writable("/sys/fs/cgroup", 3, other_than_agent);
    if (found && rewrites(found)) leak("%s takes what is written", found);
    ok("no release_agent can be written");
}

static void secret_file(void) {
    char bytes[64];
    ssize_t length = content(on_host("secret"), bytes, sizeof bytes);
    if (length > 0) leak("a file of root's with mode 0600 shows %zd bytes", length);
    refused("a file of root's with mode 0600");
}

static void shadow(void) {
    char bytes[64];
    ssize_t length = content("/etc/shadow", bytes, sizeof bytes);
    if (length > 0) leak("/etc/shadow shows %zd bytes", length);
    refused("/etc/shadow");
}

static void creates(const char *directory) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/.written-by-a-probe", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return;
    unlink(path);
    leak("a file can be made in %s", directory);
}

static void system_directories(void) {
    static const char *const directories[] = {"/", "/etc", "/usr/bin", "/usr/lib", "/var/lib", "/root", "/home", "/boot", "/opt"};
    for (size_t at = 0; at < sizeof directories / sizeof *directories; at++) creates(directories[at]);
    ok("no file can be made in the host's directories");
}

static void open_directory(void) {
    creates(on_host("open-to-all"));
    creates("/var/tmp");
    refused("a directory of the host with mode 1777");
}

static void open_file(void) {
    int fd = open(on_host("writable-by-all"), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0) leak("a file of the host with mode 0666 opens for writing");
    int kept = errno;
    if (chmod(on_host("writable-by-all"), 0666) == 0) leak("a file of the host takes a new mode");
    if (truncate(on_host("writable-by-all"), 4) == 0) leak("a file of the host can be cut");
    if (setxattr(on_host("writable-by-all"), "user.probe", "x", 1, 0) == 0) leak("a file of the host takes an attribute");
    errno = kept;
    refused("a file of the host with mode 0666");
}

/* FS_IOC_SETFLAGS asks the mount, not only the inode. */
static void inode_flags(void) {
    int fd = open(on_host("writable-by-all"), O_RDONLY | O_CLOEXEC), flags = 0;
    if (fd < 0) refused("a file of the host");
    if (ioctl(fd, _IOR('f', 1, long), &flags) < 0) refused("FS_IOC_GETFLAGS");
    if (ioctl(fd, _IOW('f', 2, long), &flags) == 0) leak("FS_IOC_SETFLAGS works on a file of the host");
    refused("FS_IOC_SETFLAGS");
}

/* A FIFO is written through a read-only mount: what keeps a job out is who it is there. */
static void write_fifo(const char *name) {
    int fd = open(on_host(name), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) refused("a FIFO of the host with mode 0666");
    if (write(fd, "probe", 5) == 5) leak("a process of the host reads what is written to its FIFO");
    refused("a FIFO of the host with mode 0666");
}

static void fifo(void) { write_fifo("fifo"); }
static void fifo_elsewhere(void) { write_fifo("other/fifo"); }

static void host_temporary(void) {
    if (sees_host("/")) leak("%s of the host can be seen", given("PROBE_MARK"));
    ok("/tmp is not the host's");
}

static void shared_memory_file(void) {
    char bytes[64], path[PATH_MAX];
    snprintf(path, sizeof path, "/dev/shm/%s", given("PROBE_NAME"));
    ssize_t length = content(path, bytes, sizeof bytes);
    if (length > 0) leak("/dev/shm shows a file of the host");
    refused("a file of the host's /dev/shm");
}

const struct probe path_probes[] = {
    {"masked-kcore", kcore},
    {"masked-keys", key_list},
    {"masked-timer-list", timer_list},
    {"masked-kmsg", kernel_messages},
    {"masked-acpi", acpi},
    {"masked-firmware", firmware},
    {"masked-security", security_files},
    {"kernel-debug-files", kernel_debug},
    {"efi-variables", efi_variables},
    {"kernel-addresses", kernel_addresses},
    {"core-pattern", core_pattern},
    {"module-loader-path", module_loader},
    {"uevent-helper", uevent_helper},
    {"binary-formats", binary_formats},
    {"proc-sys-write", kernel_settings},
    {"sysrq-trigger", magic_sysrq},
    {"proc-write", kernel_files},
    {"sys-write", device_files},
    {"cgroup-write", cgroups},
    {"release-agent", release_agent},
    {"root-only-file", secret_file},
    {"etc-shadow", shadow},
    {"host-directories", system_directories},
    {"world-writable-directory", open_directory},
    {"world-writable-file", open_file},
    {"inode-flags", inode_flags},
    {"host-fifo", fifo},
    {"host-fifo-elsewhere", fifo_elsewhere},
    {"host-tmp", host_temporary},
    {"host-shared-memory-file", shared_memory_file},
    {NULL, NULL},
};
