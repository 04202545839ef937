/* exchange A B: puts each in the place of the other (renameat2(2), RENAME_EXCHANGE), over and over, until its input ends; then both
 * are where they were. Writes how often. This is the other side of every race on a path. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

int main(int count, char **arguments) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned long done = 0;
    if (count != 3) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    puts("began");
    fflush(stdout);
    while (done % 2 == 1 || poll(&input, 1, 0) == 0) {
        if (renameat2(AT_FDCWD, arguments[1], AT_FDCWD, arguments[2], RENAME_EXCHANGE) < 0) {
            fprintf(stderr, "exchange: %s\n", strerror(errno));
            return 1;
        }
        done++;
        /* Long enough for the others to see either. */
        usleep(done % 7 * 40);
    }
    printf("%lu\n", done);
    return 0;
}
