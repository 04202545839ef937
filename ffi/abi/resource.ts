/** getrlimit(2), getrusage(2). */
export const RLIMIT = {
  CPU: 0,
  FSIZE: 1,
  DATA: 2,
  STACK: 3,
  CORE: 4,
  RSS: 5,
  NPROC: 6,
  NOFILE: 7,
  MEMLOCK: 8,
  AS: 9,
  LOCKS: 10,
  SIGPENDING: 11,
  MSGQUEUE: 12,
  NICE: 13,
  RTPRIO: 14,
  RTTIME: 15,
} as const;
export const RUSAGE_SELF = 0;
export const RUSAGE_CHILDREN = -1;
/** `struct rusage`: its bytes and the offsets of what the record keeps (`maxrss` is in KiB). */
export const RUSAGE = {
  size: 144,
  utimeSeconds: 0,
  utimeMicros: 8,
  stimeSeconds: 16,
  stimeMicros: 24,
  maxrss: 32,
  inblock: 88,
  oublock: 96,
} as const;

/** `struct rlimit64`; -1 is RLIM64_INFINITY. */
export function rlimit(soft: number, hard: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(soft), BigInt(hard)).buffer);
}
