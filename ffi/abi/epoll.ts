/** epoll_ctl(2), epoll_wait(2). */
import type { Architecture } from "../syscalls.ts";

export const EPOLL_CTL = { ADD: 1, DEL: 2, MOD: 3 } as const;
export const EPOLL = { IN: 0x1, OUT: 0x4, ERR: 0x8, HUP: 0x10, RDHUP: 0x2000, ET: 0x80000000 } as const;

/** `struct epoll_event` is packed on x86_64 only: its size and the offset of `data`. */
export const EPOLL_EVENT: Readonly<Record<Architecture, { size: number; data: number }>> = {
  x86_64: { size: 12, data: 4 },
  aarch64: { size: 16, data: 8 },
};
