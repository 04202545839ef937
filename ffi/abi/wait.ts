/** waitid(2). `__WALL` is written `ALL`. */
export const P = { ALL: 0, PID: 1, PGID: 2, PIDFD: 3 } as const;
export const W = { NOHANG: 1, STOPPED: 2, EXITED: 4, CONTINUED: 8, NOWAIT: 0x1000000, ALL: 0x40000000 } as const;
/** `siginfo_t` as waitid fills it: its bytes and offsets. */
export const SIGINFO = { size: 128, signo: 0, errno: 4, code: 8, pid: 16, uid: 20, status: 24 } as const;
/** `si_code` of a child that is gone. */
export const CLD = { EXITED: 1, KILLED: 2, DUMPED: 3 } as const;
