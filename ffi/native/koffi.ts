/** The seam over koffi, for Deno and Node, and for Bun in tests. */
import { CODE_PROTECTION, MMAP, type Native, type Region } from "./seam.ts";

type Koffi = typeof import("koffi");

/** Opens libc through koffi. */
export function koffiNative(): Native {
  // Required at run time: the addon is not part of the shipped binary, which need not load node:module for it.
  const koffi = process.getBuiltinModule("node:module").createRequire(import.meta.url)("koffi") as Koffi;
  const libc = koffi.load("libc.so.6");
  const mmap = libc.func("mmap", "int64", ["int64", "int64", "int", "int", "int", "int64"]);
  const mprotect = libc.func("mprotect", "int", ["int64", "int64", "int"]);
  return {
    name: "koffi",
    map(length) {
      const address = Number(mmap(0, length, MMAP.protection, MMAP.flags, -1, 0));
      if (address < 0) throw new Error(`mmap of ${length} bytes failed`);
      // SAFETY: the mapping is never unmapped, so the view cannot outlive it.
      return { address, bytes: new Uint8Array(koffi.view(address, length)) };
    },
    makeExecutable(region: Region) {
      if (mprotect(region.address, region.bytes.length, CODE_PROTECTION) !== 0) throw new Error("mprotect failed");
    },
    functionAt(address, arity) {
      const type = koffi.proto(
        "int64",
        Array.from({ length: arity }, () => "int64"),
      );
      // SAFETY: the caller vouches that code for this many integer arguments is at the address.
      return (...values) => Number(koffi.call(address, type, ...values));
    },
    // There under `node --expose-gc` alone.
    collectGarbage: () => globalThis.gc?.(),
  };
}
