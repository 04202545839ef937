/* The launcher's terminal, which is standard input. */
#include "probe.h"
#include <sys/ioctl.h>
#include <termios.h>

/* ioctl(2)'s request is an unsigned int in the kernel, a long in the call: a filter that compares all 64 bits can be passed by
 * setting one of the upper half (CVE-2019-10063). */
static long request(unsigned long number, void *argument) { return syscall(SYS_ioctl, STDIN_FILENO, number, argument); }

static void needs_terminal(void) {
    if (!isatty(STDIN_FILENO)) ok("standard input is not the launcher's terminal");
}

static void push(unsigned long number) {
    char byte = 'x';
    needs_terminal();
    if (request(number, &byte) == 0) leak("a byte was pushed into the launcher's terminal");
    refused("TIOCSTI");
}

static void tiocsti(void) { push(TIOCSTI); }
static void tiocsti_high(void) { push(TIOCSTI | 1ul << 32); }
static void tiocsti_all_high(void) { push(TIOCSTI | 0xfffffffful << 32); }

/* TIOCLINUX pastes a selection into a virtual console: 3 is TIOCL_PASTESEL (CVE-2017-5226 and ioctl_console(2)). */
static void paste(unsigned long number) {
    char command = 3;
    needs_terminal();
    if (request(number, &command) == 0) leak("a selection was pasted into the launcher's console");
    refused("TIOCLINUX");
}

static void tioclinux(void) { paste(TIOCLINUX); }
static void tioclinux_high(void) { paste(TIOCLINUX | 1ul << 32); }

static void steal(void) {
    needs_terminal();
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (ioctl(STDIN_FILENO, TIOCSCTTY, 1) == 0) leak("the launcher's terminal was taken from its session");
        refused("TIOCSCTTY");
    }
    waitpid(child, NULL, 0);
    _exit(0);
}

static void console_output(void) {
    needs_terminal();
    if (request(TIOCCONS, NULL) == 0) {
        int console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
        if (console >= 0) ioctl(console, TIOCCONS);
        leak("the console's output was redirected");
    }
    refused("TIOCCONS");
}

static void controlling(void) {
    char byte = 'x';
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) refused("/dev/tty");
    if (ioctl(fd, TIOCSTI, &byte) == 0) leak("/dev/tty takes input for the launcher");
    refused("TIOCSTI of /dev/tty");
}

/* Those of the file system that the launcher's terminal is of. */
static void other_terminals(void) {
    struct stat here, there;
    struct dirent *entry;
    DIR *all = opendir("/dev/pts");
    if (!all) refused("/dev/pts");
    needs_terminal();
    if (fstat(STDIN_FILENO, &here) < 0) refused("fstat");
    while ((entry = readdir(all))) {
        int fd = openat(dirfd(all), entry->d_name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) continue;
        if (fstat(fd, &there) == 0 && S_ISCHR(there.st_mode) && there.st_dev == here.st_dev)
            leak("/dev/pts/%s of the host opens", entry->d_name);
        close(fd);
    }
    ok("/dev/pts has no terminal of the host that opens");
}

const struct probe terminal_probes[] = {
    {"tiocsti", tiocsti},
    {"tiocsti-high-bit", tiocsti_high},
    {"tiocsti-high-half", tiocsti_all_high},
    {"tioclinux", tioclinux},
    {"tioclinux-high-bit", tioclinux_high},
    {"controlling-terminal", controlling},
    {"terminals-of-the-host", other_terminals},
    {"redirect-console", console_output},
    /* Last: where it succeeds the terminal is nobody's afterwards. */
    {"steal-terminal", steal},
    {NULL, NULL},
};
