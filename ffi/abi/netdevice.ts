/** netdevice(7). */
export const SIOC = { GIFFLAGS: 0x8913, SIFFLAGS: 0x8914 } as const;
export const IFF = { UP: 0x1, LOOPBACK: 0x8, RUNNING: 0x40 } as const;
/** Bytes of `struct ifreq`; the name takes 16, the union begins after it. */
export const IFREQ = { size: 40, name: 0, flags: 16 } as const;
