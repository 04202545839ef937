/** The seam over `bun:ffi`. */
import { CODE_PROTECTION, MMAP, type Native, type NativeFunction, type Region } from "./seam.ts";

/** What of `bun:ffi` is used here; the module itself is a wrapper in JavaScript around these, which takes 1 ms to load. */
interface Ffi {
  dlopen(library: string, symbols: Readonly<Record<string, Signature>>): Linked;
  linkSymbols(symbols: Readonly<Record<string, Signature & { readonly ptr: number }>>): Linked;
  toArrayBuffer(address: number, offset: number, length: number): ArrayBuffer;
}

interface Signature {
  readonly args: readonly number[];
  readonly returns: number;
}

interface Linked {
  readonly symbols: Readonly<Record<string, NativeFunction>>;
}

/** `FFIType`: the last gives a number where it is exact, and a bigint where not. */
const [I32, I64, I64_FAST] = [5, 7, 15];

/** Opens libc through bun:ffi. */
export function bunNative(): Native {
  // Asked for at run time, so that Deno and Node can read this file.
  const ffi =
    (globalThis as unknown as { Bun: { FFI?: Ffi } }).Bun.FFI ??
    (process.getBuiltinModule("bun:ffi" as "fs") as unknown as Ffi);
  const { symbols } = ffi.dlopen("libc.so.6", {
    mmap: { args: [I64, I64, I32, I32, I32, I64], returns: I64_FAST },
    mprotect: { args: [I64, I64, I32], returns: I32 },
  });
  const mmap = symbols["mmap"] as NativeFunction;
  const mprotect = symbols["mprotect"] as NativeFunction;
  return {
    name: "bun:ffi",
    map(length) {
      const address = mmap(0, length, MMAP.protection, MMAP.flags, -1, 0);
      if (address < 0) throw new Error(`mmap of ${length} bytes failed`);
      // SAFETY: the mapping is never unmapped, so the view cannot outlive it.
      return { address, bytes: new Uint8Array(ffi.toArrayBuffer(address, 0, length)) };
    },
    makeExecutable(region: Region) {
      if (mprotect(region.address, region.bytes.length, CODE_PROTECTION) !== 0) throw new Error("mprotect failed");
    },
    functionAt(address, arity) {
      const args = Array.from({ length: arity }, () => I64);
      // SAFETY: the caller vouches that code for this many integer arguments is at the address.
      const { routine } = ffi.linkSymbols({ routine: { ptr: address, args, returns: I64_FAST } }).symbols;
      return routine as NativeFunction;
    },
    collectGarbage: () => Bun.gc(true),
  };
}
