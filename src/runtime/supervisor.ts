/** The jobs of one daemon, as the API asks for them. */
import { closeSync, openSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import { v7 as uuid } from "uuid";
import { TeleError } from "#errors";
import { signalNumber } from "#ffi/abi/signal.ts";
import { call } from "#ffi/call.ts";
import { native } from "#ffi/native.ts";
import { jobParents } from "#host/cgroup/facts.ts";
import { openCgroupHost } from "#host/cgroup/host.ts";
import { readFacts } from "#host/facts.ts";
import { openUnowned } from "#host/unowned.ts";
import { type IdRange, openRanges, rangeOf } from "#host/id-ranges.ts";
import type { Ceiling } from "#spec/ceiling.ts";
import type { JobSpec } from "#spec/schema.ts";
import { admissionFaults, admit, daemonHost } from "./admission.ts";
import { whenIdle } from "./idle.ts";
import type { Jobs } from "./jobs.ts";
import type { LiveJob } from "./live-job.ts";
import { closedOutput } from "./output.ts";
import { startPump } from "./pump/pump.ts";
import { createRegistry, needsRange, type Registry, type RegistryParts } from "./registry.ts";
import { isStorageFault, openReserve } from "./reserve.ts";
import { killStrays, strayDirectories, takeOver } from "./restart.ts";
import { type Ground, prepare, type Prepared } from "./start.ts";
import {
  cgroupName,
  jobPaths,
  openStateDirectory,
  removeJobDirectory,
  stateDirectory,
  type StateDirectory,
} from "./state-directory.ts";
import { openStore, type Store } from "./store/store.ts";
import { toJob } from "./store/record.ts";

export interface SupervisorOptions {
  readonly stateDirectory: string;
  /** Directories that no job may see, the state directory apart: keys. */
  readonly hide: readonly string[];
  /** Parent cgroup; chosen by `openCgroupHost` otherwise. */
  readonly cgroupParent?: string;
  /** Name of our directory in each hierarchy; `cgroupName` of the state directory by default. */
  readonly cgroupName?: string;
  /** The most that a job may ask for; nothing by default. */
  readonly ceiling?: Ceiling;
  /** Host ids for the jobs' user namespaces, no other daemon's; see `defaultRange` for those used otherwise. */
  readonly usernsRange?: IdRange;
  /** Called when the pump's thread died: nothing can be supervised any more, the process should go and be restarted. */
  readonly fatal: (error: Error) => void;
}

export interface Supervisor extends Jobs {
  /** What this host gives to jobs. */
  readonly ground: Ground;
  /** Lets go of everything; running jobs go on, held by their tethers. */
  close(): Promise<void>;
}

/** Opens the state directory, takes over what an earlier daemon left, and is ready to start jobs. */
export async function openSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { cgroupParent: parent, cgroupName: name = cgroupName(options.stateDirectory) } = options;
  const asked = stateDirectory(resolve(options.stateDirectory));
  const range = rangeOf(options.usernsRange);
  const undo: (() => unknown)[] = [];
  try {
    const lock = openStateDirectory(asked);
    undo.unshift(() => lock.release());
    // As the kernel shows it: what is behind a symbolic link is found again, and hidden, under its own name.
    const state = stateDirectory(realpathSync(asked.path));
    const store = openStore(state.database);
    undo.unshift(() => store.close());
    const reserve = openReserve(state.reserve);
    undo.unshift(() => reserve.close());
    const cgroups = await openCgroupHost({ name, ...(parent !== undefined && { parent }) });
    undo.unshift(() => cgroups.close());
    const pump = startPump(options.fatal);
    undo.unshift(() => pump.close());
    const nothing = openSync("/dev/null", "r");
    undo.unshift(() => closeSync(nothing));
    const parents = jobParents(cgroups.facts);
    const ways = {
      v2: parents.some(({ by }) => by === "cgroup2"),
      v1: parents.filter(({ by }) => by === "cgroup1").length,
    };
    const unowned = openUnowned();
    undo.unshift(() => unowned && call("close", unowned.namespace));
    const facts = {
      ...(unowned && { unowned: unowned.points }),
      ...readFacts([state.path, ...options.hide.map(absolute)]),
      cgroup: ways,
    };
    const ground: Ground = {
      facts,
      cgroups,
      nothing,
      unowned: unowned?.namespace,
      ceiling: options.ceiling ?? {},
    };
    const ranges = openRanges({ range, taken: store.ranges() });
    const parts: RegistryParts = { state, store, pump, reserve, ground, ranges };
    const idle = whenIdle(() => native().collectGarbage());
    undo.unshift(() => idle.close());
    const registry = createRegistry(parts);
    undo.unshift(() => registry.close());
    registry.subscribe(({ type }) => type === "job.started" && idle.busy());
    await recover(state, store, registry, ground);
    return { ...jobsOf(parts, registry), ground, close: () => takeApart(undo) };
  } catch (error) {
    await takeApart(undo);
    throw error;
  }
}

/** The real path, for a mount over it; one that does not exist yet stays as it is named. */
function absolute(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

async function takeApart(undo: (() => unknown)[]): Promise<void> {
  for (const step of undo.splice(0)) await step();
}

/** Strays first, so that nothing is alive that is on no record; then every job that was open. */
async function recover(state: StateDirectory, store: Store, registry: Registry, { cgroups }: Ground): Promise<void> {
  const known = (id: string): boolean => store.get(id) !== undefined;
  // One whose end is on record only waited for a daemon to say so.
  killStrays(state, (id) => {
    const record = store.get(id);
    return record?.state === "RUNNING" && record.tether !== undefined;
  });
  for (const paths of strayDirectories(state, known)) removeJobDirectory(paths);
  for (const record of store.open()) {
    const found = takeOver(record, jobPaths(state, record.id));
    if (found) await registry.adopt(record, found);
    else await registry.conclude(record);
  }
  for (const id of await cgroups.list()) {
    if (!registry.live.has(id)) await (await cgroups.open(id))?.remove().catch(() => undefined);
  }
  await store.durable();
}

function jobsOf(parts: RegistryParts, { live, birth, buried, tell, subscribe }: Registry): Jobs {
  const { state, store, reserve, ground, ranges } = parts;
  /** Ids whose start is under way: on record, but a job exists for others only once its program runs. */
  const starting = new Set<string>();

  function running(id: string): LiveJob {
    const job = live.get(id);
    if (job) return job;
    if (!store.get(id)) throw missing(id);
    throw new TeleError("FAILED_PRECONDITION", {
      detail: `jobs/${id} has ended`,
      resource: `jobs/${id}`,
      hint: `see its end with 'tele status ${id}'`,
    });
  }

  /** Launches with ids of its own, which are given back unless they are on record. */
  async function launch(id: string, owner: string, spec: JobSpec): Promise<LiveJob> {
    const range = needsRange(spec) ? ranges.take() : undefined;
    let prepared: Prepared;
    try {
      prepared = await prepare(ground, id, jobPaths(state, id), spec, range);
    } catch (error) {
      if (range) ranges.give(range);
      throw error;
    }
    return birth(id, owner, spec, prepared, range);
  }

  return {
    async start({ spec, owner, id = uuid() }) {
      if (starting.has(id) || live.has(id) || store.get(id)) {
        throw new TeleError("ALREADY_EXISTS", {
          detail: `jobs/${id} exists already`,
          resource: `jobs/${id}`,
          hint: `choose another name, or forget it with 'tele rm ${id}'`,
        });
      }
      const admitted = admit(spec, daemonHost(ground.facts, ground.ceiling));
      starting.add(id);
      try {
        await buried(id);
        reserve.refill();
        const job = await launch(id, owner, admitted);
        tell("job.started", job.glance());
        return job.glance();
      } finally {
        starting.delete(id);
      }
    },
    examine: (spec) => admissionFaults(spec, daemonHost(ground.facts, ground.ceiling)),
    get(id) {
      if (starting.has(id)) return undefined;
      const job = live.get(id);
      if (job) return job.view();
      const record = store.get(id);
      return record && toJob(record);
    },
    peek(id) {
      if (starting.has(id)) return undefined;
      const job = live.get(id);
      if (job) return job.glance();
      const record = store.get(id);
      return record && toJob(record);
    },
    *list(options) {
      for (const record of store.list(options)) {
        if (!starting.has(record.id)) yield live.get(record.id)?.glance() ?? toJob(record);
      }
    },
    async stop(id, { by, signal, graceMs }) {
      const job = live.get(id);
      if (job) {
        job.stop("STOPPED", by, { ...(signal !== undefined && { signal }), ...(graceMs !== undefined && { graceMs }) });
        return job.glance();
      }
      const record = store.get(id);
      if (!record) throw missing(id);
      return toJob(record);
    },
    async signal(id, signal) {
      const number = signalNumber(signal);
      if (number === undefined)
        throw new TeleError("INVALID_ARGUMENT", {
          detail: `there is no signal ${signal}`,
          hint: "name one as kill -l does",
        });
      if (!running(id).tether.signalMain(number))
        throw new TeleError("FAILED_PRECONDITION", { detail: `jobs/${id} is just ending`, resource: `jobs/${id}` });
    },
    async wait(id, signal) {
      const job = live.get(id);
      if (job) {
        await job.closed(signal);
        return job.view();
      }
      const record = store.get(id);
      if (!record) throw missing(id);
      return toJob(record);
    },
    async remove(id) {
      if (live.has(id) || starting.has(id)) {
        throw new TeleError("FAILED_PRECONDITION", {
          detail: `jobs/${id} still runs`,
          resource: `jobs/${id}`,
          hint: `stop it first: 'tele stop ${id}', or 'tele rm -f ${id}'`,
        });
      }
      const record = store.get(id);
      if (!record) throw missing(id);
      try {
        reserve.during(() => store.remove(id));
        removeJobDirectory(jobPaths(state, id));
      } catch (error) {
        // Its output goes first where the disk has not even room for the change that forgets it.
        if (!isStorageFault(error)) throw error;
        removeJobDirectory(jobPaths(state, id));
        store.remove(id);
      }
      // Whatever still runs of it under its ids is gone before another job gets them.
      await Promise.all([store.durable(), buried(id)]);
      if (record.userns) ranges.give(record.userns);
      tell("job.deleted", toJob(record));
    },
    output(id) {
      const job = live.get(id);
      if (job) return job.output;
      if (!store.get(id)) return undefined;
      const { data, index } = jobPaths(state, id);
      return closedOutput({ dataPath: data, indexPath: index });
    },
    subscribe,
  };
}

function missing(id: string): TeleError {
  return new TeleError("NOT_FOUND", {
    detail: `there is no job ${id}`,
    resource: `jobs/${id}`,
    hint: "list yours with 'tele ps -a'",
  });
}
