import { setTimeout as pause } from "node:timers/promises";
import { TeleError } from "#errors";

/** Pauses between attempts, in milliseconds: at once first, then six seconds in all, which a server needs to restart. */
const PAUSES = [0, 100, 200, 400, 800, 1500, 3000];

/** How often something may be tried again; `progress` begins the count anew. */
export interface Retries {
  /** Waits before the next attempt; throws `error` when it is not about the connection or there have been enough. */
  readonly again: (error: unknown) => Promise<void>;
  readonly progress: () => void;
}

/** A fresh count. `onRetry` hears of each new attempt. */
export function retries(onRetry?: () => void): Retries {
  let count = 0;
  return {
    again: async (error) => {
      const next = PAUSES[count++];
      if (next === undefined || !isDropped(error)) throw error;
      onRetry?.();
      await pause(next);
    },
    progress: () => {
      count = 0;
    },
  };
}

/**
 * A server that was there before and is not now may come back; one that refuses us will not change its mind. One that
 * hangs up without a word may be doing either.
 */
function isDropped(error: unknown): boolean {
  if (!(error instanceof TeleError)) return false;
  return error.code === "UNAVAILABLE" || (error.code === "UNAUTHENTICATED" && error.fields.errno === "ECONNRESET");
}
