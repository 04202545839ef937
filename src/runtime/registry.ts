/** The open jobs of a daemon: in memory while they run, in the store for good. Births, ends, and who is told of them. */
import { TeleError } from "#errors";
import { call } from "#ffi/call.ts";
import { callBrief } from "#program/listing.ts";
import { blame } from "#program/report.ts";
import type { Program } from "#program/step.ts";
import type { IdRange, Ranges } from "#host/id-ranges.ts";
import type { JobEvent } from "#spec/job.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { policyOf } from "#spec/policy.ts";
import { conclude, type StopReason } from "./lifecycle.ts";
import { cradle, type Failure } from "./cradle.ts";
import { finalUsage, messageOf, readExit } from "./ending.ts";
import { type Keeper, liveJob, type LiveJob } from "./live-job.ts";
import { createOutput, repairOutput } from "./output.ts";
import type { Pump } from "./pump/pump.ts";
import { isStorageFault, type Reserve } from "./reserve.ts";
import type { Found } from "./restart.ts";
import { type Ground, type Prepared, programOf } from "./start.ts";
import { startHint } from "./start-hint.ts";
import { jobPaths, type StateDirectory } from "./state-directory.ts";
import type { Store } from "./store/store.ts";
import { type JobPatch, type JobRecord, toJob } from "./store/record.ts";
import { undertaker } from "./undertaker.ts";

/** How long to wait before trying again to keep a change that the full disk refused. */
const RETRY_MS = 1_000;

export interface RegistryParts {
  readonly state: StateDirectory;
  readonly store: Store;
  readonly pump: Pump;
  /** Room for ends that a full disk would refuse. */
  readonly reserve: Reserve;
  readonly ground: Ground;
  /** Ids for user namespaces of jobs. */
  readonly ranges: Ranges;
}

export interface Registry {
  readonly live: ReadonlyMap<string, LiveJob>;
  /**
   * Puts a launched job on record and waits until its program runs. START_FAILED otherwise, and the job stays as FAILED.
   * Its ids are the record's from then on; where there is no record they are given back.
   */
  birth(id: string, owner: string, spec: JobRecord["spec"], prepared: Prepared, range?: IdRange): Promise<LiveJob>;
  /** Resolves when nothing of an earlier job of this name is left, so that it may be used again. */
  buried(id: string): Promise<void>;
  /** Goes on with a job that an earlier daemon started. */
  adopt(record: JobRecord, found: Found): Promise<void>;
  /** Ends a job whose tether is gone, from what its files and its cgroup say. */
  conclude(record: JobRecord): Promise<void>;
  tell(type: JobEvent["type"], job: JobEvent["job"]): void;
  subscribe(listener: (event: JobEvent) => void): () => void;
  /** Lets go of every job; they go on. */
  close(): Promise<void>;
}

/** An empty registry over an open store and a running pump. */
export function createRegistry({ state, store, pump, reserve, ground, ranges }: RegistryParts): Registry {
  const live = new Map<string, LiveJob>();
  const listeners = new Set<(event: JobEvent) => void>();
  const graves = undertaker();
  const burials = new Map<string, Promise<void>>();
  /** Changes of each job that wait for space on the disk. */
  const waiting = new Map<string, Promise<void>>();
  let sequence = 0;
  let closing = false;

  function tell(type: JobEvent["type"], job: JobEvent["job"]): void {
    sequence += 1;
    const event: JobEvent = { sequence, time: new Date().toISOString(), type, job };
    for (const listener of listeners) listener(event);
  }

  /** Makes a change, again and again while the disk is full: an end that cannot be written is not forgotten. */
  async function keep(change: () => void): Promise<void> {
    for (;;) {
      try {
        return reserve.during(change);
      } catch (error) {
        if (closing || !isStorageFault(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** One after the other: tried again later, an older change must not undo a newer one. */
  function update(id: string, patch: JobPatch): Promise<void> {
    const change = (): Promise<void> => keep(() => store.update(id, patch));
    const before = waiting.get(id);
    const done = (before ? before.then(change, change) : change()).finally(() => {
      if (waiting.get(id) === done) waiting.delete(id);
    });
    waiting.set(id, done);
    return done;
  }

  /** Puts an end on disk; only then may the tether go, and with it the pipes. */
  async function bury(job: LiveJob, patch: JobPatch): Promise<void> {
    await update(job.id, patch);
    await store.durable();
    job.settle(patch);
    live.delete(job.id);
    tell("job.ended", job.glance());
    const burial = graves.bury(job.tether, job.cgroup).finally(() => {
      if (burials.get(job.id) === burial) burials.delete(job.id);
    });
    burials.set(job.id, burial);
    await burial;
  }

  /** A daemon that is going leaves what it cannot keep to the next one: the tether still has it. */
  const leaveToNext = (): void => undefined;

  const keeper: Keeper = {
    update: (id, patch) => void update(id, patch).catch(leaveToNext),
    sizes: (slot) => pump.sizes(slot),
    finish: (slot) => pump.finish(slot),
    stopping: (job) => tell("job.stopping", job.glance()),
    ended: (job, patch) => void bury(job, patch).catch(leaveToNext),
  };

  /** Ends a job whose program never ran. Resolves with the error for whoever started it. */
  async function failedStart(job: LiveJob, program: Program | undefined, failure: Failure): Promise<TeleError> {
    const failed = program?.steps[failure.step];
    const known = failure.errno > 0 && program && failed;
    const { step, errno } = known ? blame(program.steps, failure) : { step: "tether.start", errno: "EIO" };
    const detail = known
      ? `${step}: ${callBrief(failed)}: ${errno}`
      : `${step}: the tether died before the program ran`;
    const usage = finalUsage(undefined, undefined, job.record(), 0);
    const { state: closed, end } = conclude({
      exit: undefined,
      tether: undefined,
      startFailure: { step, errno, detail },
      oomKilled: false,
      usage,
    });
    await bury(job, { state: closed, reason: end.reason, end, endNs: nowNs() });
    return new TeleError("START_FAILED", {
      detail,
      step,
      errno,
      resource: `jobs/${job.id}`,
      ...startHint(step, errno, job.record()),
    });
  }

  /** What an earlier daemon had planned; undefined where that cannot be known any more. */
  function replan({ spec, userns }: JobRecord): Program | undefined {
    // A version that knew of no user namespaces planned otherwise than we do.
    if (needsRange(spec) && !userns) return undefined;
    try {
      return programOf(ground, spec, userns);
    } catch {
      return undefined;
    }
  }

  return {
    live,
    async buried(id) {
      await burials.get(id);
    },
    async birth(id, owner, spec, prepared, range) {
      const { request, denials, cgroup, enforced, limits, data, index } = prepared;
      const now = nowNs();
      const record: JobRecord = {
        id,
        owner,
        spec,
        state: "RUNNING",
        reason: "RUNNING",
        createNs: now,
        startNs: now,
        enforced,
        ...(range && { userns: range }),
      };
      const child = cradle(record, jobPaths(state, id), cgroup, keeper);
      let job: LiveJob | undefined;
      let slot: number | undefined;
      try {
        slot = pump.launch(
          { request, data, index, size: 0, records: 0, lastNs: 0n, limit: limits.output, ...(denials && { denials }) },
          child.heard,
        );
        child.slot = slot;
        job = await child.launched;
        store.insert(job.record());
        live.set(id, job);
      } catch (error) {
        // Without a slot the pump never had the files.
        if (slot === undefined) for (const fd of [data, index]) call("close", fd);
        job?.abandon();
        job?.tether.kill();
        if (job) await graves.bury(job.tether, undefined);
        if (range) ranges.give(range);
        prepared.launched();
        await prepared.abandon();
        throw error;
      }
      prepared.launched();
      const [failure] = await Promise.all([child.word, store.durable()]);
      if (failure) {
        // Released before it holds, a tether would forget that and have to be killed.
        await child.gone;
        throw await failedStart(job, prepared.program, failure);
      }
      job.arm();
      return job;
    },
    async adopt(record, { tether, descriptors, data, index, size, records, lastNs }) {
      const paths = jobPaths(state, record.id);
      const output = createOutput({ dataPath: paths.data, indexPath: paths.index, size, records, ended: false });
      const cgroup = await ground.cgroups.open(record.id);
      let slot = -1;
      let failure: Failure | undefined;
      const job = liveJob({
        record,
        paths,
        cgroup,
        tether,
        output,
        slot: () => slot,
        keeper,
        fresh: false,
        born: (failed) => (failure = failed),
      });
      live.set(record.id, job);
      const limit = effectiveLimits(record.spec.limits).output;
      slot = pump.carry({ ...descriptors, data, index, size, records, lastNs, limit }, (event) => {
        job.heard(event);
        // It failed while no daemon listened.
        if (event.kind === "ended" && failure) void failedStart(job, replan(record), failure).catch(leaveToNext);
      });
      job.arm();
      // The tether's last word may have been heard by the daemon that died: its record says the same.
      if (readExit(paths.exit)) pump.finish(slot);
    },
    async conclude(record) {
      const paths = jobPaths(state, record.id);
      const { size } = repairOutput({ dataPath: paths.data, indexPath: paths.index });
      const cgroup = await ground.cgroups.open(record.id);
      const exit = readExit(paths.exit);
      const { state: closed, end } = conclude({
        exit,
        tether: undefined,
        oomKilled: cgroup?.oomKilled() ?? false,
        usage: finalUsage(cgroup, exit, record, size),
        lost: "its tether was gone when the daemon came back, and had left no exit record (was the host restarted?)",
        ...(record.stopReason !== undefined && {
          stop: {
            reason: record.stopReason as StopReason,
            by: record.stopRequestedBy ?? "tele",
            ...messageOf(record),
          },
        }),
      });
      store.update(record.id, {
        state: closed,
        reason: end.reason,
        end,
        endNs: exit?.endNs ?? nowNs(),
        ...(exit && { startNs: exit.startNs }),
      });
      tell("job.ended", toJob({ ...record, state: closed, reason: end.reason, end }));
      await cgroup?.remove().catch(() => undefined);
    },
    tell,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      closing = true;
      for (const job of live.values()) job.disarm();
      await graves.idle();
      for (const job of live.values()) {
        job.tether.close();
        job.output.end();
      }
    },
  };
}

/** Whether a job has ids of its own. */
export function needsRange(spec: JobRecord["spec"]): boolean {
  return policyOf(spec).userns === "private";
}

function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
