/** The seam over `bun:ffi`. */
import { CODE_PROTECTION, MMAP, type Native, type NativeFunction, type Region } from "./seam.ts";

type BunFfi = typeof import("bun:ffi");
type Pointer = import("bun:ffi").Pointer;

/** Opens libc through bun:ffi. */
export function bunNative(): Native {
  // Asked for at run time, so that Deno and Node can read this file.
  const ffi = process.getBuiltinModule("bun:ffi" as "fs") as unknown as BunFfi;
  // `i64_fast` returns a number where it is exact; bun-types names only the enum's members.
  const { i64, i64_fast: answer, i32 } = ffi.FFIType;
  const { symbols } = ffi.dlopen("libc.so.6", {
    mmap: { args: [i64, i64, i32, i32, i32, i64], returns: answer },
    mprotect: { args: [i64, i64, i32], returns: i32 },
  });
  const mmap = symbols.mmap as NativeFunction;
  const mprotect = symbols.mprotect as NativeFunction;
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
      const args = Array.from({ length: arity }, () => i64);
      // SAFETY: the caller vouches that code for this many integer arguments is at the address.
      const call = ffi.CFunction({ ptr: address as Pointer, args, returns: answer });
      return (...values) => Number(call(...values));
    },
    collectGarbage: () => Bun.gc(true),
  };
}
