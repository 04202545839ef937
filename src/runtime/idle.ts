/** What a daemon does when nobody wants anything of it. */

/** A daemon that started nothing for so long is idle. */
const QUIET_MS = 1_000;
/** Garbage of so few starts is not worth a collection. */
const WORTH = 16;

export interface Idle {
  /** Something was started. */
  busy(): void;
  close(): void;
}

/**
 * Calls `tidy` once after each burst of starts: a start leaves a hundred kilobytes of garbage behind, which the runtime
 * would keep until it needs the room, and a host may have better use for it than an idle daemon.
 */
export function whenIdle(tidy: () => void): Idle {
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  const quiet = (): void => {
    timer = undefined;
    count = 0;
    tidy();
  };
  return {
    busy() {
      count += 1;
      if (count < WORTH) return;
      clearTimeout(timer);
      timer = setTimeout(quiet, QUIET_MS);
    },
    close: () => clearTimeout(timer),
  };
}
