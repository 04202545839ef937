/** Releases tethers whose end is on record, reaps them, and takes their cgroups away. */
import type { JobCgroup } from "#host/cgroup/job.ts";
import type { Tether } from "./tether.ts";

/** How often a released tether is asked whether it is gone, and when it is killed instead. */
const LOOK_MS = 5;
const PATIENCE_MS = 1_000;

export interface Undertaker {
  /** Resolves when the tether is gone and its cgroup removed, as far as that could be done. */
  bury(tether: Tether, cgroup: JobCgroup | undefined): Promise<void>;
  /** Resolves when nobody is being buried. */
  idle(): Promise<void>;
}

/** One for a daemon: a single timer looks after all tethers that are leaving. */
export function undertaker(): Undertaker {
  const leaving = new Map<Tether, { since: number; killed: boolean; gone: () => void }>();
  const busy = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const now = performance.now();
    for (const [tether, grave] of leaving) {
      // "unknown": gone, and another process was its parent.
      if (tether.reap() !== "running") {
        leaving.delete(tether);
        tether.close();
        grave.gone();
      } else if (!grave.killed && now - grave.since > PATIENCE_MS) {
        grave.killed = true;
        tether.kill();
      }
    }
    timer = leaving.size > 0 ? setTimeout(look, LOOK_MS) : undefined;
  }

  async function burial(tether: Tether, cgroup: JobCgroup | undefined): Promise<void> {
    tether.release();
    await new Promise<void>((gone) => {
      leaving.set(tether, { since: performance.now(), killed: false, gone });
      timer ??= setTimeout(look, LOOK_MS);
    });
    // A cgroup that cannot be removed yet (a process in uninterruptible sleep) is removed by the next daemon.
    await cgroup?.remove().catch(() => undefined);
  }

  return {
    bury(tether, cgroup) {
      const done = burial(tether, cgroup).finally(() => busy.delete(done));
      busy.add(done);
      return done;
    },
    async idle() {
      await Promise.all(busy);
    },
  };
}
