/** Terminals, asked by system calls: to load node:tty takes milliseconds. */
import { TCGETS } from "./abi/tty.ts";
import { call, scratch } from "./call.ts";

/** `struct termios` of the kernel is smaller, on both machines. */
const TERMIOS_SIZE = 64;

/** isatty(3). */
export function isTerminal(fd: number): boolean {
  return call("ioctl", fd, TCGETS, scratch(4096).room(TERMIOS_SIZE).address) === 0;
}
