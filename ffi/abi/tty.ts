/** ioctl_tty(2), ioctl_console(2). */
export const TIOC = { STI: 0x5412, LINUX: 0x541c, SETD: 0x5423 } as const;
export const TCGETS = 0x5401;
