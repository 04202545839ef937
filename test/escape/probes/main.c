/* probe --list | --all | --topic TOPIC | NAME...: each probe is one attempt to get out of the sandbox it runs in.
 * One line each: `run NAME`, then `ok NAME what-it-saw`, `LEAK NAME what-it-saw`, or `broken NAME why`. */
#include "probe.h"

static const struct {
    const char *name;
    const struct probe *probes;
} topics[] = {
    {"paths", path_probes},     {"mounts", mount_probes},   {"processes", process_probes}, {"kernel", kernel_probes},
    {"network", network_probes}, {"devices", device_probes}, {"terminal", terminal_probes}, {"resources", resource_probes},
};
enum { TOPICS = sizeof topics / sizeof *topics, SECONDS = 20 };

static int answer = STDOUT_FILENO;
static bool ours;

static _Noreturn void say(const char *word, const char *format, va_list arguments) {
    char saw[600], line[700];
    vsnprintf(saw, sizeof saw, format, arguments);
    for (char *at = saw; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127) *at = ' ';
    int length = snprintf(line, sizeof line, "%s %s", word, saw);
    if (write(answer, line, (size_t)length) != length) _exit(3);
    _exit(0);
}

void ok(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say("ok", format, arguments);
}

void leak(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say("LEAK", format, arguments);
}

void broken(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say("broken", format, arguments);
}

bool init_is_ours(void) { return ours; }

static void show(const char *name, const char *line) {
    const char *space = strchr(line, ' ');
    printf("%.*s %s%s\n", space ? (int)(space - line) : (int)strlen(line), line, name, space ? space : "");
    fflush(stdout);
}

/* A probe in a process of its own, in time, whatever becomes of it. */
static void attempt(const struct probe *probe) {
    int ends[2], status;
    char line[700];
    printf("run %s\n", probe->name);
    fflush(stdout);
    if (pipe2(ends, O_CLOEXEC) < 0) return show(probe->name, "broken no pipe");
    pid_t child = fork();
    if (child < 0) {
        snprintf(line, sizeof line, "broken fork: %s", why());
        show(probe->name, line);
        close(ends[0]);
        close(ends[1]);
        return;
    }
    if (child == 0) {
        answer = ends[1];
        setpgid(0, 0);
        alarm(SECONDS);
        probe->run();
        broken("it came back");
    }
    close(ends[1]);
    /* The answer is one write; what a probe leaves running may hold the pipe open for longer. */
    ssize_t length = read(ends[0], line, sizeof line - 1);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    kill(-child, SIGKILL);
    close(ends[0]);
    line[length > 0 ? length : 0] = 0;
    if (length <= 0) {
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
            snprintf(line, sizeof line, "broken no answer in %d s", SECONDS);
        else if (WIFSIGNALED(status))
            snprintf(line, sizeof line, "ok killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
        else
            snprintf(line, sizeof line, "broken ended with %d", WEXITSTATUS(status));
    }
    show(probe->name, line);
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

static bool named(const struct probe *probe, int count, char **names) {
    for (int at = 0; at < count; at++)
        if (strcmp(names[at], probe->name) == 0) return true;
    return false;
}

/* A copy of this program with more rights, run by a probe: says who it is and what it may. */
static int who(void) {
    printf("%d %d %llx\n", (int)geteuid(), (int)getegid(), (unsigned long long)effective_capabilities());
    return 0;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "--who") == 0) return who();
    bool list = count == 2 && strcmp(arguments[1], "--list") == 0;
    bool all = count == 2 && strcmp(arguments[1], "--all") == 0;
    const char *topic = count == 3 && strcmp(arguments[1], "--topic") == 0 ? arguments[2] : NULL;
    ours = getpid() == 1;
    int found = 0;
    for (int at = 0; at < TOPICS; at++)
        for (const struct probe *probe = topics[at].probes; probe->name; probe++) {
            if (list) printf("%s %s\n", probe->name, topics[at].name);
            else if (all || (topic && strcmp(topic, topics[at].name) == 0) || named(probe, count - 1, arguments + 1))
                attempt(probe);
            else continue;
            found++;
        }
    if (found == 0) {
        fprintf(stderr, "usage: probe --list | --all | --topic TOPIC | NAME...\n");
        return 2;
    }
    return 0;
}
