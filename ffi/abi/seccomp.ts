/** seccomp(2), seccomp_unotify(2): actions, flags, and the structures of user notification. */
export const SECCOMP = {
  SET_MODE_STRICT: 0,
  SET_MODE_FILTER: 1,
  GET_ACTION_AVAIL: 2,
  GET_NOTIF_SIZES: 3,
} as const;

/** Flags of `SECCOMP_SET_MODE_FILTER`. */
export const SECCOMP_FILTER_FLAG = {
  TSYNC: 1,
  LOG: 2,
  SPEC_ALLOW: 4,
  NEW_LISTENER: 8,
  TSYNC_ESRCH: 0x10,
  /** Linux 5.19 */
  WAIT_KILLABLE_RECV: 0x20,
} as const;

/** What a filter answers; the low 16 bits of ERRNO are the error, of TRAP `si_errno`. */
export const SECCOMP_RET = {
  KILL_PROCESS: 0x8000_0000,
  KILL_THREAD: 0,
  TRAP: 0x3_0000,
  ERRNO: 0x5_0000,
  USER_NOTIF: 0x7fc0_0000,
  LOG: 0x7ffc_0000,
  ALLOW: 0x7fff_0000,
} as const;

/** `struct seccomp_data`: what a filter sees of a call. Arguments are 64 bits each. */
export const SECCOMP_DATA = { size: 64, nr: 0, arch: 4, instruction_pointer: 8, args: 16 } as const;

/** `struct seccomp_notif`; its `data` is a `struct seccomp_data`. The kernel wants it zeroed before it fills it. */
export const SECCOMP_NOTIF = { size: 80, id: 0, pid: 8, flags: 12, data: 16 } as const;
/** `struct seccomp_notif_resp`; `error` is negative. */
export const SECCOMP_NOTIF_RESP = { size: 24, id: 0, val: 8, error: 16, flags: 20 } as const;

/** Operations of ioctl(2) on a listener. */
export const SECCOMP_IOCTL_NOTIF = {
  RECV: 0xc050_2100,
  SEND: 0xc018_2101,
  ID_VALID: 0x4008_2102,
} as const;
/** The kernel makes the call itself: never an answer that security may rest on, see seccomp_unotify(2). */
export const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1;

/** Instructions of the classic packet filter that seccomp takes (linux/bpf_common.h), `A` being its one register. */
export const BPF = {
  /** A = word of `struct seccomp_data` at k. */
  LOAD: 0x20,
  /** A &= k. */
  AND: 0x54,
  JUMP: 0x05,
  /** Of A and k, unsigned: equal, above, at least, any bit in common. */
  JEQ: 0x15,
  JGT: 0x25,
  JGE: 0x35,
  JSET: 0x45,
  RETURN: 0x06,
} as const;
/** Instructions of one program at most (linux/bpf_common.h). */
export const BPF_MAXINSNS = 4096;
