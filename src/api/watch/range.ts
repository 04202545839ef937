/** Ranges of an output that may still grow: RFC 9110 section 14 for what is there, RFC 8673 for what is to come. */
import type { ByteRange } from "./request.ts";

/** A range put onto an output. */
export interface Placed {
  readonly from: number;
  /** Exclusive; Infinity for all that is to come. */
  readonly to: number;
  readonly contentRange: string;
  /** Where it is known before the last byte is sent. */
  readonly length: number | undefined;
}

/** RFC 8673 section 2.2: the last position of a representation whose end nobody knows yet. */
const VERY_LARGE = Number.MAX_SAFE_INTEGER;

/**
 * `settled`: only what is there now counts (the job is closed, or the client does not follow). Otherwise the range may
 * begin and end in the future: the answer waits for its bytes, and ends early if the job does.
 * `complete`: nothing can follow, so the total is known.
 */
export function placeRange(
  range: ByteRange,
  size: number,
  settled: boolean,
  complete: boolean,
): Placed | "unsatisfiable" {
  const total = complete ? String(size) : "*";
  const from = "suffix" in range ? Math.max(0, size - range.suffix) : range.first;
  const asked = "suffix" in range ? undefined : range.last;
  if (!settled) {
    const last = asked ?? VERY_LARGE;
    return {
      from,
      to: asked === undefined ? Infinity : asked + 1,
      contentRange: `bytes ${from}-${last}/${total}`,
      length: undefined,
    };
  }
  const to = asked === undefined ? size : Math.min(asked + 1, size);
  if (from >= to) return "unsatisfiable";
  return { from, to, contentRange: `bytes ${from}-${to - 1}/${total}`, length: to - from };
}
