/* The machine's devices. */
#include "probe.h"

static bool usual(const char *name) {
    static const char *const all[] = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"};
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        if (strcmp(name, all[at]) == 0) return true;
    return false;
}

/* Every device below /dev but the eight usual ones, its own terminals and descriptors. */
static const char *first_device(const char *root, int depth, mode_t kind) {
    static char found[PATH_MAX];
    const char *answer = NULL;
    struct dirent *entry;
    DIR *directory = opendir(root);
    while (directory && !answer && (entry = readdir(directory))) {
        char path[PATH_MAX];
        struct stat at;
        if (entry->d_name[0] == '.' || (depth == 0 && strcmp(entry->d_name, "pts") == 0)) continue;
        if (snprintf(path, sizeof path, "%s/%s", root, entry->d_name) >= (int)sizeof path || lstat(path, &at) < 0) continue;
        if (S_ISDIR(at.st_mode) && depth < 3) answer = first_device(path, depth + 1, kind);
        if ((at.st_mode & S_IFMT) != kind || (depth == 0 && usual(entry->d_name))) continue;
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0) continue;
        close(fd);
        answer = strcpy(found, path);
    }
    if (directory) closedir(directory);
    return answer;
}

static void disks(void) {
    const char *found = first_device("/dev", 0, S_IFBLK);
    if (found) leak("%s opens", found);
    ok("/dev has no disk that opens");
}

static void characters(void) {
    const char *found = first_device("/dev", 0, S_IFCHR);
    if (found) leak("%s opens", found);
    ok("/dev has no device but the usual ones that opens");
}

static void named(const char *path) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) leak("%s opens", path);
    refused(path);
}

static void memory(void) {
    if (open("/dev/port", O_RDWR | O_CLOEXEC) >= 0) leak("/dev/port opens");
    if (open("/dev/kmem", O_RDONLY | O_CLOEXEC) >= 0) leak("/dev/kmem opens");
    named("/dev/mem");
}

static void messages(void) {
    if (open("/dev/kmsg", O_WRONLY | O_CLOEXEC) >= 0) leak("/dev/kmsg opens for writing");
    named("/dev/kmsg");
}

static void fuse(void) { named("/dev/fuse"); }
static void virtual_machines(void) { named("/dev/kvm"); }
static void tunnels(void) { named("/dev/net/tun"); }
static void loops(void) { named("/dev/loop-control"); }

/* A node that stands in the host's tree, open to all: only nodev, or a device filter, keeps it shut. */
static void in_the_tree(void) {
    int fd = open(on_host("disk"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) leak("a device node of the host's tree opens");
    refused("a device node of the host's tree");
}

static void make_disk(void) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/disk", scratch("mknod"));
    dev_t disk = makedev(given_number("PROBE_MAJOR"), given_number("PROBE_MINOR"));
    if (mknod(path, S_IFBLK | 0600, disk) < 0) refused("mknod of a disk");
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) refused("a disk of its own making");
    leak("a disk of its own making opens");
}

static void make_elsewhere(void) {
    static const char *const places[] = {"/dev", "/dev/shm", "/run", "/var/tmp"};
    int last = 0;
    for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/.kmsg-of-a-probe", places[at]);
        if (mknod(path, S_IFCHR | 0600, makedev(1, 11)) == 0) {
            int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
            last = errno;
            unlink(path);
            if (fd >= 0) leak("a device made in %s opens", places[at]);
        } else {
            last = errno;
        }
    }
    errno = last;
    refused("mknod in /dev, /dev/shm, /run, /var/tmp");
}

const struct probe device_probes[] = {
    {"disks", disks},
    {"other-devices", characters},
    {"dev-mem", memory},
    {"dev-kmsg", messages},
    {"dev-fuse", fuse},
    {"dev-kvm", virtual_machines},
    {"dev-tun", tunnels},
    {"loop-control", loops},
    {"device-in-host-tree", in_the_tree},
    {"mknod", make_disk},
    {"mknod-elsewhere", make_elsewhere},
    {NULL, NULL},
};
