/**
 * The first moments of a job: from its launch to its tether's first word. Apart from what was made for the launch, so
 * that the listener, which lives as long as the job, keeps neither its program nor its executable alive.
 */
import type { JobCgroup } from "#host/cgroup/job.ts";
import { type Keeper, liveJob, type LiveJob } from "./live-job.ts";
import { createOutput } from "./output.ts";
import type { PumpListener } from "./pump/pump.ts";
import { refusal } from "./start.ts";
import type { JobPaths } from "./state-directory.ts";
import type { JobRecord } from "./store/record.ts";
import { tether } from "./tether.ts";

/** The step that failed and its errno; errno 0 when the tether vanished before it said anything. */
export interface Failure {
  readonly step: number;
  readonly errno: number;
}

export interface Cradle {
  /** To be set once the pump has given one. */
  slot: number;
  readonly heard: PumpListener;
  /** The job as soon as its tether is executed. Rejects with START_FAILED. */
  readonly launched: Promise<LiveJob>;
  /** Undefined when the workload runs. */
  readonly word: Promise<Failure | undefined>;
  /** Resolves when the tether has nothing more to say. */
  readonly gone: Promise<void>;
}

/** Awaits a job that is about to be launched; `record` is what is known of it but its tether. */
export function cradle(record: JobRecord, paths: JobPaths, cgroup: JobCgroup, keeper: Keeper): Cradle {
  const output = createOutput({ dataPath: paths.data, indexPath: paths.index, size: 0, records: 0, ended: false });
  const launched = Promise.withResolvers<LiveJob>();
  const word = Promise.withResolvers<Failure | undefined>();
  const gone = Promise.withResolvers<void>();
  let job: LiveJob | undefined;
  let spoken = false;
  const child: Cradle = {
    slot: -1,
    launched: launched.promise,
    word: word.promise,
    gone: gone.promise,
    heard(event) {
      if (event.kind === "refused") launched.reject(refusal(event.call, event.errno, `jobs/${record.id}`));
      else if (event.kind === "launched") {
        const held = tether(event.pid, event.pidfd);
        job = liveJob({
          record: { ...record, tether: held.record },
          paths,
          cgroup,
          tether: held,
          output,
          slot: () => child.slot,
          keeper,
          fresh: true,
          born(failure) {
            spoken = true;
            word.resolve(failure);
          },
        });
        launched.resolve(job);
      } else if (event.kind === "ended") {
        // A tether that vanishes before its first word is a failed start too.
        if (!spoken) job?.abandon();
        job?.heard(event);
        word.resolve({ step: 0, errno: 0 });
        gone.resolve();
      } else job?.heard(event);
    },
  };
  return child;
}
