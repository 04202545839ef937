/**
 * The seam between TypeScript and the machine: map memory, and call an address.
 *
 * Two implementations stand beside it. `koffi` is a library that Bun, Deno and Node load; `bun:ffi` is part of the
 * runtime, so the shipped binary has no addon to unpack. Everything else (system calls, launching) is machine code of
 * our own behind these two.
 */

import { bunNative } from "./native/bun.ts";
import { koffiNative } from "./native/koffi.ts";
import type { Native } from "./native/seam.ts";

export type { Native, NativeFunction, Region } from "./native/seam.ts";

let chosen: Native | undefined;

/** The implementation of this process: bun:ffi under Bun, koffi elsewhere or where `TELE_NATIVE=koffi` asks for it. */
export function native(): Native {
  chosen ??= "bun" in process.versions && process.env["TELE_NATIVE"] !== "koffi" ? bunNative() : koffiNative();
  return chosen;
}
