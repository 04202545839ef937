/* Changing what is mounted, and reaching what a mount covers. */
#include "probe.h"
#include <linux/mount.h>
#include <linux/sched.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

/* One step of a mount that was not made in a user namespace of the probe's own is through the barrier. */
static void mount_memory(void) {
    own_mounts();
    if (mount("none", scratch("tmpfs"), "tmpfs", 0, NULL) == 0) leak("mount of a tmpfs");
    refused("mount");
}

static void mount_bind(void) {
    own_mounts();
    if (mount("/", scratch("bind"), NULL, MS_BIND, NULL) == 0) leak("mount --bind of /");
    refused("mount --bind");
}

static void remount_root(void) {
    own_mounts();
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0) leak("/ was remounted without ro, nosuid and nodev");
    refused("remount of /");
}

static void remount_settings(void) {
    own_mounts();
    if (mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL) == 0) leak("/proc/sys was remounted writable");
    int first = errno;
    if (mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL) == 0) leak("/sys was remounted writable");
    errno = first;
    refused("remount of /proc/sys");
}

static void propagation(void) {
    own_mounts();
    if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0) leak("mounts were made shared");
    refused("mount --make-rshared");
}

static void new_filesystem(void) {
    own_mounts();
    long context = syscall(SYS_fsopen, "tmpfs", 0);
    if (context < 0) refused("fsopen");
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) refused("fsconfig");
    long made = syscall(SYS_fsmount, context, 0, 0);
    if (made < 0) refused("fsmount");
    leak("fsopen, fsconfig and fsmount of a tmpfs");
}

static void clone_tree(void) {
    long tree = syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree >= 0) leak("open_tree cloned /");
    refused("open_tree");
}

static void move_tree(void) {
    own_mounts();
    if (syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, scratch("moved"), 0) == 0) leak("/proc was moved");
    refused("move_mount");
}

static void set_attributes(void) {
    struct mount_attr clear = {.attr_clr = MOUNT_ATTR_RDONLY};
    own_mounts();
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &clear, sizeof clear) == 0) leak("/ was made writable");
    refused("mount_setattr");
}

static const char *const covers[] = {
    "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kallsyms", "/proc/kmsg",      "/proc/acpi",    "/proc/sys",
    "/proc/bus",   "/proc/fs",   "/proc/irq",        "/proc/sysrq-trigger", "/sys/firmware", "/proc/scsi", "/proc",
    "/dev",        "/sys",       "/tmp",             "/run",
};
enum { COVERS = sizeof covers / sizeof *covers };

/* EINVAL says that nothing is mounted there, or that it is locked (mount_namespaces(7)). */
static const char *uncovered(int flags) {
    for (int at = COVERS - 1; at >= 0; at--)
        if (umount2(covers[at], flags) == 0) return covers[at];
    return NULL;
}

static void unmask(void) {
    own_mounts();
    const char *found = uncovered(0);
    if (!found) found = uncovered(MNT_DETACH);
    if (found) leak("umount of %s", found);
    refused("umount2");
}

static void swap_root(void) {
    own_mounts();
    if (syscall(SYS_pivot_root, ".", ".") == 0) leak("pivot_root");
    if (errno != EPERM && errno != ENOSYS) leak("pivot_root is allowed: %s is about its arguments", why());
    refused("pivot_root");
}

/* The oldest way out: chroot does not move the working directory. */
static void change_root(void) {
    const char *below = scratch("root");
    if (chdir("/tmp") < 0) refused("chdir");
    if (chroot(below) < 0) refused("chroot");
    for (int up = 0; up < 64; up++)
        if (chdir("..") < 0) break;
    if (chroot(".") < 0) refused("second chroot");
    if (sees_host("/")) leak("chroot led to the host's root");
    ok("chroot leads back to the sandbox's root");
}

/* What the root of a user namespace of its own does to the mounts that it was given. */
static void attack_mounts(void) {
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0) {
        int fd = open(on_host("open-to-all/.nested"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) unlink(on_host("open-to-all/.nested"));
        leak("in its own user namespace / was remounted%s", fd >= 0 ? " and written" : "");
    }
    int remounted = errno;
    struct mount_attr clear = {.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID};
    if (syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &clear, sizeof clear) == 0) leak("mount_setattr cleared locked flags");
    const char *found = uncovered(MNT_DETACH);
    if (found) leak("in its own user namespace %s was unmounted", found);
    const char *copy = scratch("copy");
    static const char *const below[] = {"/", "/proc", "/sys", "/dev"};
    for (size_t at = 0; at < 4; at++)
        if (mount(below[at], copy, NULL, MS_BIND, NULL) == 0) {
            char path[PATH_MAX], bytes[16];
            if (sees_host(copy)) leak("a bind mount of %s shows the host below", below[at]);
            snprintf(path, sizeof path, "%s/kcore", copy);
            if (content(path, bytes, sizeof bytes) > 0) leak("a bind mount of %s shows kcore", below[at]);
            snprintf(path, sizeof path, "%s/sys/kernel/core_pattern", copy);
            if (open_for_writing(path) >= 0) leak("a bind mount of %s opens core_pattern", below[at]);
            umount2(copy, MNT_DETACH);
        }
    errno = remounted;
    ok("a user namespace of its own cannot remount /: %s", why());
}

static void nested(void) {
    if (!own_user_namespace(CLONE_NEWNS)) refused("unshare(CLONE_NEWUSER)");
    attack_mounts();
}

static void nested_clone3(void) {
    struct clone_args arguments = {.flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD};
    int status;
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0) refused("clone3(CLONE_NEWUSER)");
    if (child == 0) {
        char line[64];
        int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
        snprintf(line, sizeof line, "0 0 1");
        if (fd >= 0 && write(fd, line, strlen(line)) < 0) close(fd);
        attack_mounts();
    }
    waitpid((pid_t)child, &status, 0);
    _exit(0);
}

/* A new /proc is only for those who can see all of one already (mount_too_revealing in fs/namespace.c). */
static void nested_proc(void) {
    char path[PATH_MAX], bytes[16];
    if (!own_user_namespace(CLONE_NEWNS | CLONE_NEWPID)) refused("unshare(CLONE_NEWUSER | CLONE_NEWPID)");
    pid_t child = fork();
    if (child < 0) refused("fork");
    if (child > 0) {
        waitpid(child, NULL, 0);
        _exit(0);
    }
    const char *at = scratch("proc");
    if (mount("proc", at, "proc", 0, NULL) < 0) refused("mount of a new proc");
    snprintf(path, sizeof path, "%s/sys/kernel/core_pattern", at);
    if (open_for_writing(path) >= 0) leak("core_pattern of a new proc opens for writing");
    snprintf(path, sizeof path, "%s/sysrq-trigger", at);
    if (open_for_writing(path) >= 0) leak("sysrq-trigger of a new proc opens for writing");
    snprintf(path, sizeof path, "%s/timer_list", at);
    if (content(path, bytes, sizeof bytes) > 0) leak("timer_list of a new proc can be read");
    ok("a new proc shows and takes nothing of the kernel's");
}

static void nested_sys(void) {
    static const char *const files[] = {"kernel/uevent_helper", "kernel/mm/transparent_hugepage/enabled", "power/state",
                                        "kernel/profiling", "class/mem/null/uevent"};
    if (!own_user_namespace(CLONE_NEWNS | CLONE_NEWNET)) refused("unshare(CLONE_NEWUSER | CLONE_NEWNET)");
    const char *at = scratch("sys");
    if (mount("sysfs", at, "sysfs", 0, NULL) < 0) refused("mount of a new sysfs");
    for (size_t file = 0; file < sizeof files / sizeof *files; file++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", at, files[file]);
        if (open_for_writing(path) >= 0) leak("%s of a new sysfs opens for writing", files[file]);
    }
    ok("a new sysfs takes nothing");
}

/* CVE-2022-0492: root of a user namespace could set the program that the kernel runs when a v1 cgroup empties. */
static void nested_release_agent(void) {
    static const char *const controllers[] = {"rdma", "misc", "perf_event", "net_cls,net_prio", "cpuset", "freezer", "memory",
                                              "pids", "devices", "cpu", "blkio", "none,name=probe", "none,name=systemd"};
    const char *at = scratch("cgroup");
    int last = 0;
    own_mounts();
    /* With the capability at hand no user namespace is needed. */
    for (int round = 0; round < 2; round++) {
        if (round == 1 && !own_user_namespace(CLONE_NEWNS | CLONE_NEWCGROUP)) refused("unshare(CLONE_NEWUSER | CLONE_NEWCGROUP)");
        for (size_t one = 0; one < sizeof controllers / sizeof *controllers; one++) {
            char path[PATH_MAX];
            if (mount("cgroup", at, "cgroup", 0, controllers[one]) < 0) {
                last = errno;
                continue;
            }
            snprintf(path, sizeof path, "%s/release_agent", at);
            bool written = rewrites(path);
            last = errno;
            umount2(at, MNT_DETACH);
            if (written) leak("release_agent of cgroup %s takes what is written", controllers[one]);
        }
    }
    errno = last;
    refused("release_agent of a cgroup file system of its own");
}

static void nested_cgroup2(void) {
    char path[PATH_MAX];
    own_mounts();
    const char *at = scratch("cgroup2");
    if (mount("none", at, "cgroup2", 0, NULL) < 0) {
        if (!own_user_namespace(CLONE_NEWNS | CLONE_NEWCGROUP)) refused("unshare(CLONE_NEWUSER | CLONE_NEWCGROUP)");
        if (mount("none", at, "cgroup2", 0, NULL) < 0) refused("mount of cgroup2");
    }
    static const char *const files[] = {"cgroup.procs", "cgroup.subtree_control", "memory.max", "pids.max", "cgroup.kill"};
    for (size_t file = 0; file < sizeof files / sizeof *files; file++) {
        snprintf(path, sizeof path, "%s/%s", at, files[file]);
        if (open_for_writing(path) >= 0) leak("%s of its own mount of cgroup2 opens for writing", files[file]);
    }
    ok("its own mount of cgroup2 takes nothing");
}

static bool overlaid(const char *lower, const char *at) {
    char options[3 * PATH_MAX];
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,userxattr", lower, scratch("upper"), scratch("work"));
    return mount("overlay", at, "overlay", 0, options) == 0;
}

/* An overlay is made with its maker's rights: it must show no more of the layers below than those see (CVE-2021-3493, CVE-2023-0386). */
static void nested_overlay(void) {
    char path[PATH_MAX], bytes[16];
    if (!own_user_namespace(CLONE_NEWNS)) refused("unshare(CLONE_NEWUSER)");
    const char *at = scratch("merged");
    if (overlaid("/", at) && sees_host(at)) leak("an overlay of / shows what a mount covers");
    umount2(at, MNT_DETACH);
    if (!overlaid("/etc", at)) refused("mount of an overlay");
    snprintf(path, sizeof path, "%s/shadow", at);
    if (content(path, bytes, sizeof bytes) > 0) leak("an overlay of /etc shows shadow");
    if (chmod(path, 0666) == 0 && content(path, bytes, sizeof bytes) > 0) leak("an overlay of /etc makes shadow readable");
    ok("an overlay shows no more than what lies below");
}

static void nested_device(void) {
    if (!own_user_namespace(CLONE_NEWNS)) refused("unshare(CLONE_NEWUSER)");
    const char *at = scratch("nodes");
    char path[PATH_MAX];
    if (mount("none", at, "tmpfs", 0, NULL) < 0) refused("mount of a tmpfs");
    snprintf(path, sizeof path, "%s/null", at);
    if (mknod(path, S_IFCHR | 0666, makedev(1, 3)) < 0) refused("mknod in its own user namespace");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) refused("open of a device made in its own user namespace");
    leak("a device made in its own user namespace opens");
}

const struct probe mount_probes[] = {
    {"mount", mount_memory},
    {"mount-bind", mount_bind},
    {"remount-root", remount_root},
    {"remount-proc-sys", remount_settings},
    {"mount-propagation", propagation},
    {"fsopen", new_filesystem},
    {"open-tree", clone_tree},
    {"move-mount", move_tree},
    {"mount-setattr", set_attributes},
    {"umount-masks", unmask},
    {"pivot-root", swap_root},
    {"chroot", change_root},
    {"nested-mounts", nested},
    {"nested-clone3", nested_clone3},
    {"nested-proc", nested_proc},
    {"nested-sysfs", nested_sys},
    {"nested-release-agent", nested_release_agent},
    {"nested-cgroup2", nested_cgroup2},
    {"nested-overlay", nested_overlay},
    {"nested-device", nested_device},
    {NULL, NULL},
};
