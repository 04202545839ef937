/** eventfd(2). */
export const EFD = { SEMAPHORE: 0x1, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;
