/** Programs of the classic packet filter as seccomp(2) takes them (linux/filter.h). */
/** Bytes of `struct sock_filter`: one instruction. */
export const SOCK_FILTER_SIZE = 8;
/** `struct sock_fprog`: { len: 16 bits, filter: pointer }. */
export const SOCK_FPROG = { size: 16, len: 0, filter: 8 } as const;
