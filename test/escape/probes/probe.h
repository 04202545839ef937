/* What every probe has: how it says what it saw, and the few questions that many of them ask. */
#ifndef PROBE_H
#define PROBE_H
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One attempt to get out. It runs in a process of its own and ends it with ok, leak or broken. */
struct probe {
    const char *name;
    void (*run)(void);
};

extern const struct probe path_probes[], mount_probes[], process_probes[], kernel_probes[], network_probes[],
    device_probes[], resource_probes[], terminal_probes[];

/* The barrier held: and what it answered. */
_Noreturn void ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The barrier was crossed: and what lay behind it. */
_Noreturn void leak(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Nothing can be said: the harness did not give what this probe needs. */
_Noreturn void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* `ok` with the name of errno: "mount: EPERM". */
_Noreturn void refused(const char *what);

/* Name of errno. */
const char *why(void);
/* What the harness gave in the environment. */
const char *given(const char *name);
long given_number(const char *name);
/* A path below the harness's directory on the host's tree. */
const char *on_host(const char *name);

/* Whether the probes run in the initial user namespace, so that their capabilities are the host's. */
bool initial_user_namespace(void);
/* Whether PID 1 is the workload itself: then there is nothing of the runtime's to attack there. */
bool init_is_ours(void);
/* Whether the host's own /tmp can be seen from this root directory: the harness left a mark there. */
bool sees_host(const char *root);
bool sees_host_from(int directory);
/* Whether a host address can be seen: then the network namespace is the host's. */
bool host_network(void);

/* Bytes read from a file, at most size; -1 with errno. Something covered with /dev/null has none. */
ssize_t content(const char *path, char *buffer, size_t size);
/* Entries of a directory besides . and ..; -1 with errno. */
int entries(const char *path);
/* Opens for writing without changing anything; -1 with errno. A cover of /dev/null is EACCES. */
int open_for_writing(const char *path);
/* Writes a setting's own value back to it: nothing changes, but it could have. */
bool rewrites(const char *path);
/* First file below that opens for writing, symbolic links not followed; NULL where there is none. `skip` may be NULL. */
const char *first_writable(const char *root, int depth, bool (*skip)(const char *path));
/* A fresh directory in the sandbox's own /tmp. */
const char *scratch(const char *name);

/* Takes a mount namespace of its own, where that is allowed, so that a success does no harm to the other probes. */
void own_mounts(void);
/* Makes a user namespace and others with it, and becomes its root; false with errno. */
bool own_user_namespace(int others);
/* The effective set, as a mask. */
uint64_t effective_capabilities(void);

#endif
