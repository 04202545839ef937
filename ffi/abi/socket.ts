/** socket(2). */
export const AF = { UNIX: 1, INET: 2, NETLINK: 16 } as const;
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3 } as const;
