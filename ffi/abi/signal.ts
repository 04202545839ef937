/** signal(7), sigprocmask(2). */
export const SIG = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
} as const;
/** sigaction(2); `SI_KERNEL` is the `si_code` of what a terminal sends. */
export const SA = { SIGINFO: 0x4, ONSTACK: 0x8000000, RESTART: 0x10000000, RESTORER: 0x4000000 } as const;
export const SI_KERNEL = 0x80;
export const SIG_HOW = { BLOCK: 0, UNBLOCK: 1, SETMASK: 2 } as const;
/** Bytes of the kernel's `sigset_t`. */
export const SIGSET_SIZE = 8;
/** Bytes of the kernel's `struct sigaction`; all zero is SIG_DFL. */
export const SIGACTION_SIZE = 32;
/** Offsets in it; its handler is SIG_IGN where it is 1. */
export const SIGACTION = { handler: 0, flags: 8, restorer: 16, mask: 24 } as const;
export const SIG_IGN = 1;
export const LAST_SIGNAL = 64;

/** `SIGTERM` for `15`; real-time signals as `SIGRTMIN+n` with the kernel's SIGRTMIN, 32. */
export function signalName(number: number): string {
  for (const [name, value] of Object.entries(SIG)) if (value === number) return `SIG${name}`;
  return number >= 32 && number <= LAST_SIGNAL ? `SIGRTMIN+${number - 32}` : `SIG${number}`;
}

/** The number of `TERM`, `SIGTERM` or `15`; undefined when there is no such signal. */
export function signalNumber(text: string): number | undefined {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= LAST_SIGNAL ? number : undefined;
  }
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realtime = /^RTMIN\+(\d+)$/.exec(name);
  if (realtime) return Number(realtime[1]) <= 32 ? 32 + Number(realtime[1]) : undefined;
  return (SIG as Readonly<Record<string, number>>)[name];
}
