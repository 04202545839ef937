/* The host's networks, sockets and message queues. */
#include "probe.h"
#include <arpa/inet.h>
#include <linux/audit.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <mqueue.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>

static void loopback(void) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)given_number("PROBE_PORT")), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) refused("socket");
    if (connect(fd, (struct sockaddr *)&there, sizeof there) == 0) leak("a server on the host's loopback answers");
    refused("connect to the host's loopback");
}

static void address(void) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)given_number("PROBE_PORT"))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) refused("socket");
    inet_pton(AF_INET, given("PROBE_ADDRESS"), &there.sin_addr);
    if (connect(fd, (struct sockaddr *)&there, sizeof there) == 0) leak("a server on the host's address answers");
    if (errno == EINPROGRESS) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        int error = ETIMEDOUT;
        socklen_t size = sizeof error;
        if (poll(&wait, 1, 2000) > 0) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error == 0) leak("a server on the host's address answers");
        errno = error;
    }
    refused("connect to the host's address");
}

static void reach(struct sockaddr_un *there, socklen_t size, const char *what) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) refused("socket(AF_UNIX)");
    if (connect(fd, (struct sockaddr *)there, size) == 0) leak("%s answers", what);
    refused(what);
}

static void abstract(void) {
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    int length = snprintf(there.sun_path + 1, sizeof there.sun_path - 1, "%s", given("PROBE_NAME"));
    reach(&there, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length), "an abstract socket of the host");
}

/* A socket in a read-only tree is no file to write: who may connect is said by its mode alone. */
static void connect_path(const char *name) {
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    if (chdir(given("PROBE_DIR")) < 0) refused("chdir");
    strcpy(there.sun_path, name);
    reach(&there, sizeof there, "a socket of the host's tree with mode 0666");
}

static void path_socket(void) { connect_path("socket"); }
static void path_socket_elsewhere(void) { connect_path("other/socket"); }

static void interfaces(void) {
    if (host_network()) leak("netlink shows the host's address %s", given("PROBE_ADDRESS"));
    ok("netlink shows no address of the host's");
}

static void raw(void) {
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (fd < 0) refused("socket(SOCK_RAW)");
    if (host_network()) leak("a raw socket on the host's network");
    ok("a raw socket, on a network of its own");
}

static void packets(void) {
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (fd < 0) refused("socket(AF_PACKET)");
    if (host_network()) leak("a packet socket on the host's network");
    ok("a packet socket, on a network of its own");
}

static void family(int number, const char *name) {
    if (socket(number, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 || socket(number, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0 ||
        socket(number, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) >= 0)
        leak("a socket of %s", name);
    refused(name);
}

/* Neither knows network namespaces: one is the kernel's cryptography, the other leads to the hypervisor. */
static void cryptography(void) { family(AF_ALG, "AF_ALG"); }
static void hypervisor(void) { family(AF_VSOCK, "AF_VSOCK"); }

static bool ask(int fd, void *message, size_t size) {
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(fd, message, size, 0, (struct sockaddr *)&kernel, sizeof kernel) == (ssize_t)size;
}

static void sockets_of_host(void) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } question = {{sizeof question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0},
                  {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1u << 10}};
    static char reply[65536];
    uint16_t port = htons((uint16_t)given_number("PROBE_PORT"));
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0) refused("socket(NETLINK_SOCK_DIAG)");
    if (!ask(fd, &question, sizeof question)) refused("NETLINK_SOCK_DIAG");
    for (;;) {
        ssize_t length = recv(fd, reply, sizeof reply, 0);
        if (length <= 0) refused("NETLINK_SOCK_DIAG");
        for (struct nlmsghdr *one = (void *)reply; NLMSG_OK(one, (size_t)length); one = NLMSG_NEXT(one, length)) {
            if (one->nlmsg_type == NLMSG_DONE || one->nlmsg_type == NLMSG_ERROR) ok("no socket of the host's is listed");
            if (((struct inet_diag_msg *)NLMSG_DATA(one))->id.idiag_sport == port) leak("the host's sockets are listed");
        }
    }
}

/* The harness makes the kernel send one every tenth of a second. */
static void kernel_events(void) {
    struct sockaddr_nl here = {.nl_family = AF_NETLINK, .nl_groups = 1};
    static char text[8192];
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    if (fd < 0) refused("socket(NETLINK_KOBJECT_UEVENT)");
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0) refused("bind to the group of the kernel's events");
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, 1500) <= 0) ok("no event of the kernel's in 1.5 s");
    ssize_t length = recv(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = 0;
    leak("the host's device events arrive: %.60s", text);
}

static void audit(void) {
    struct {
        struct nlmsghdr header;
    } question = {{sizeof question, AUDIT_GET, NLM_F_REQUEST | NLM_F_ACK, 1, 0}};
    static char reply[8192];
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
    if (fd < 0) refused("socket(NETLINK_AUDIT)");
    if (!ask(fd, &question, sizeof question)) refused("NETLINK_AUDIT");
    ssize_t length = recv(fd, reply, sizeof reply, 0);
    struct nlmsghdr *one = (void *)reply;
    if (length >= (ssize_t)sizeof *one && one->nlmsg_type == NLMSG_ERROR) {
        errno = -((struct nlmsgerr *)NLMSG_DATA(one))->error;
        if (errno) refused("AUDIT_GET");
    }
    leak("the host's audit answers");
}

static void shared_memory(void) {
    int id = shmget((key_t)given_number("PROBE_SHM_KEY"), 0, 0);
    if (id < 0) refused("shmget");
    char *text = shmat(id, NULL, 0);
    leak("shared memory of the host%s", text == (void *)-1 ? "" : " was attached");
}

static void message_queue(void) {
    char name[100];
    snprintf(name, sizeof name, "/%s", given("PROBE_NAME"));
    mqd_t queue = mq_open(name, O_RDONLY | O_NONBLOCK);
    if (queue != (mqd_t)-1) leak("a message queue of the host opens");
    refused("mq_open");
}

const struct probe network_probes[] = {
    {"host-loopback", loopback},
    {"host-address", address},
    {"abstract-socket", abstract},
    {"path-socket", path_socket},
    {"path-socket-elsewhere", path_socket_elsewhere},
    {"netlink-route", interfaces},
    {"netlink-sock-diag", sockets_of_host},
    {"netlink-uevent", kernel_events},
    {"netlink-audit", audit},
    {"raw-socket", raw},
    {"packet-socket", packets},
    {"af-alg", cryptography},
    {"af-vsock", hypervisor},
    {"sysv-shared-memory", shared_memory},
    {"message-queue", message_queue},
    {NULL, NULL},
};
