/* The questions that many probes ask. */
#include "probe.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

const char *why(void) {
    const char *name = strerrorname_np(errno);
    return name ? name : "an unknown error";
}

void refused(const char *what) { ok("%s: %s", what, why()); }

const char *given(const char *name) {
    const char *value = getenv(name);
    if (!value || !*value) broken("the environment has no %s", name);
    return value;
}

long given_number(const char *name) { return strtol(given(name), NULL, 10); }

const char *on_host(const char *name) {
    static char paths[4][PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", given("PROBE_DIR"), name);
    return path;
}

bool initial_user_namespace(void) {
    char map[200];
    unsigned inside, outside, range;
    ssize_t length = content("/proc/self/uid_map", map, sizeof map - 1);
    if (length <= 0) return false;
    map[length] = 0;
    return sscanf(map, "%u %u %u", &inside, &outside, &range) == 3 && inside == 0 && outside == 0 && range == 4294967295u;
}

bool sees_host_from(int directory) {
    return faccessat(directory, given("PROBE_MARK") + 1, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool sees_host(const char *root) {
    int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return false;
    bool seen = sees_host_from(directory);
    close(directory);
    return seen;
}

bool host_network(void) {
    struct ifaddrs *all, *one;
    bool found = false;
    if (getifaddrs(&all) < 0) return false;
    for (one = all; one; one = one->ifa_next) {
        char text[INET_ADDRSTRLEN] = "";
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET) continue;
        inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)one->ifa_addr)->sin_addr, text, sizeof text);
        if (strcmp(text, given("PROBE_ADDRESS")) == 0) found = true;
    }
    freeifaddrs(all);
    return found;
}

static bool covered(int fd) {
    struct stat at;
    return fstat(fd, &at) == 0 && S_ISCHR(at.st_mode) && at.st_rdev == makedev(1, 3);
}

ssize_t content(const char *path, char *buffer, size_t size) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t length = read(fd, buffer, size);
    int kept = errno;
    close(fd);
    errno = kept;
    return length;
}

int entries(const char *path) {
    DIR *directory = opendir(path);
    int count = -2;
    if (!directory) return -1;
    while (readdir(directory)) count++;
    closedir(directory);
    return count < 0 ? 0 : count;
}

int open_for_writing(const char *path) {
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && covered(fd)) {
        close(fd);
        errno = EACCES;
        return -1;
    }
    return fd;
}

bool rewrites(const char *path) {
    char value[4096];
    ssize_t length = content(path, value, sizeof value);
    int fd = open_for_writing(path);
    if (fd < 0) return false;
    bool written = length >= 0 && write(fd, value, (size_t)length) == length;
    int kept = errno;
    close(fd);
    errno = kept;
    return written;
}

const char *first_writable(const char *root, int depth, bool (*skip)(const char *path)) {
    static char found[PATH_MAX];
    struct dirent *entry;
    DIR *directory = opendir(root);
    const char *answer = NULL;
    if (!directory) return NULL;
    while (!answer && (entry = readdir(directory))) {
        char path[PATH_MAX];
        struct stat at;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (snprintf(path, sizeof path, "%s/%s", root, entry->d_name) >= (int)sizeof path) continue;
        if ((skip && skip(path)) || lstat(path, &at) < 0) continue;
        if (S_ISDIR(at.st_mode)) {
            if (depth > 1) answer = first_writable(path, depth - 1, skip);
        } else if (S_ISREG(at.st_mode) && at.st_mode & 0222) {
            int fd = open_for_writing(path);
            if (fd < 0) continue;
            close(fd);
            answer = strcpy(found, path);
        }
    }
    closedir(directory);
    return answer;
}

const char *scratch(const char *name) {
    static char paths[4][PATH_MAX];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "/tmp/probe-%d-%s", (int)getpid(), name);
    if (mkdir(path, 0700) < 0 && errno != EEXIST) broken("mkdir %s: %s", path, why());
    return path;
}

void own_mounts(void) {
    if (unshare(CLONE_NEWNS) == 0) mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static bool put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return done;
}

bool own_user_namespace(int others) {
    char line[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER | others) < 0) return false;
    put("/proc/self/setgroups", "deny");
    snprintf(line, sizeof line, "0 %u 1", uid);
    if (!put("/proc/self/uid_map", line)) return false;
    snprintf(line, sizeof line, "0 %u 1", gid);
    put("/proc/self/gid_map", line);
    if (others & CLONE_NEWNS) mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return true;
}

uint64_t effective_capabilities(void) {
    char status[8192];
    ssize_t length = content("/proc/self/status", status, sizeof status - 1);
    status[length > 0 ? length : 0] = 0;
    const char *line = strstr(status, "\nCapEff:");
    return line ? strtoull(line + 8, NULL, 16) : 0;
}
