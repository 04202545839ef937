/** One sync to the disk for everything that was committed before it began. */

export interface GroupCommit {
  /** Something was written, and is not on disk yet. */
  written(): void;
  /** How many times `written` was called. */
  count(): number;
  /** Resolves when everything written before this call is on disk; rejects when the disk failed, from then on always. */
  durable(): Promise<void>;
  /** Throws what the disk failed with, if it did. */
  check(): void;
  /** Makes every later call fail with this error. */
  fail(error: Error): Error;
}

/**
 * Groups calls of `sync`, which must cover all that was written before it was called: at most one runs at a time, and
 * all who come while it runs share the next one.
 *
 * A sync that failed is final. The kernel marks pages clean although they never reached the disk, so a second fsync(2)
 * that says "done" says nothing (https://wiki.postgresql.org/wiki/Fsync_Errors, https://lwn.net/Articles/752063/).
 */
export function createGroupCommit(sync: () => Promise<void>): GroupCommit {
  let written = 0;
  let synced = 0;
  let failure: Error | undefined;
  let running: { readonly covers: number; readonly done: Promise<void> } | undefined;
  let next: Promise<void> | undefined;

  const fail = (error: Error): Error => (failure ??= error);

  const run = async (): Promise<void> => {
    const covers = written;
    next = undefined;
    const done = sync().then(
      () => {
        running = undefined;
        synced = covers;
      },
      (error: unknown) => {
        running = undefined;
        throw fail(error as Error);
      },
    );
    running = { covers, done };
    return done;
  };

  const ignore = (): void => {};

  return {
    written: () => void written++,
    count: () => written,
    durable: async () => {
      if (failure) throw failure;
      if (synced >= written) return;
      if (next) return next;
      if (!running) return run();
      if (running.covers >= written) return running.done;
      // Not covered by the one under way; its failure is every later one's too.
      next = running.done.catch(ignore).then(() => {
        if (failure) throw failure;
        return run();
      });
      return next;
    },
    check: () => {
      if (failure) throw failure;
    },
    fail,
  };
}
