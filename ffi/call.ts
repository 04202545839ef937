/** One system call from this process; the answer is the kernel's own: negative is `-errno`. */
import { errnoName } from "./abi/errno.ts";
import { STUBS, stubBytes } from "./asm/stubs.ts";
import { type NativeFunction, native, type Region } from "./native.ts";
import { type CallName, hostArchitecture, SYSCALLS } from "./syscalls.ts";

/** A failed system call, with what the kernel said. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly call: string;
  readonly errno: number;
  /** Such as `EINVAL`. */
  readonly errnoName: string;
  constructor(call: string, errno: number) {
    super(`${call}: ${errnoName(errno)}`);
    this.call = call;
    this.errno = errno;
    this.errnoName = errnoName(errno);
  }
}

const CODE_SIZE = 4096;
/** Where `launch` lies in the code page; `call` lies at its start. */
const LAUNCH_AT = 512;

interface Code {
  readonly call: NativeFunction;
  readonly launch: NativeFunction;
}

let loaded: Code | undefined;

/** Our routines, written into a page of their own that is code from then on and never writable again. */
export function code(): Code {
  if (loaded) return loaded;
  const seam = native();
  const stubs = STUBS[hostArchitecture()];
  const page = seam.map(CODE_SIZE);
  page.bytes.set(stubBytes(stubs.call));
  page.bytes.set(stubBytes(stubs.launch), LAUNCH_AT);
  seam.makeExecutable(page);
  // SAFETY: both routines keep to the C calling convention and touch nothing but their parameters.
  loaded = { call: seam.functionAt(page.address, 7), launch: seam.functionAt(page.address + LAUNCH_AT, 1) };
  return loaded;
}

/** Makes one system call; the answer is `-errno` where it failed. */
export function call(name: CallName, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  return code().call(SYSCALLS[name][hostArchitecture()], a, b, c, d, e, f);
}

/** Makes one system call and throws SystemError where it failed. */
export function must(name: CallName, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  const answer = call(name, a, b, c, d, e, f);
  if (answer < 0) throw new SystemError(name, -answer);
  return answer;
}

/** Memory that one thread writes its arguments into, anew for each call. */
export interface Scratch {
  /** Starts over: everything written before is free to be overwritten. */
  reset(): void;
  /** Copies bytes in, aligned to 8, and gives their address. */
  bytes(bytes: Uint8Array): number;
  /** Room for `length` bytes, zeroed. */
  room(length: number): Region;
  /** A NUL-terminated string. */
  text(text: string): number;
}

/** Scratch memory of `size` bytes; throws RangeError when it is full. */
export function scratch(size: number): Scratch {
  const region = native().map(size);
  let used = 0;
  const take = (length: number): number => {
    const at = used;
    used = (used + length + 7) & ~7;
    if (used > size) throw new RangeError(`${length} bytes do not fit into the scratch memory`);
    return at;
  };
  return {
    reset: () => {
      used = 0;
    },
    bytes(bytes) {
      const at = take(bytes.length);
      region.bytes.set(bytes, at);
      return region.address + at;
    },
    room(length) {
      const at = take(length);
      const bytes = region.bytes.subarray(at, at + length);
      bytes.fill(0);
      return { address: region.address + at, bytes };
    },
    text(text) {
      const encoded = Buffer.from(`${text}\0`);
      const at = take(encoded.length);
      region.bytes.set(encoded, at);
      return region.address + at;
    },
  };
}
