/** address_families(7), netlink(7), ip(7): what a filter of socket(2) looks at. */
export const FAMILY = { UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17, ALG: 38, VSOCK: 40 } as const;
export const NETLINK = { ROUTE: 0, SOCK_DIAG: 4, KOBJECT_UEVENT: 15 } as const;
export const IPPROTO = { IP: 0, ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, MPTCP: 262 } as const;
