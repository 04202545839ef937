/** One start up to the launch: from a spec to a program and everything that it needs, undone again when it fails. */
import { closeSync } from "node:fs";
import { TeleError } from "#errors";
import { hostArchitecture } from "#ffi/syscalls.ts";
import type { CgroupHost } from "#host/cgroup/host.ts";
import type { JobCgroup } from "#host/cgroup/job.ts";
import { lookupUser } from "#host/users.ts";
import { assemble } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import type { Program } from "#program/step.ts";
import type { Facts } from "#spec/facts.ts";
import { type Ceiling, ceilingFaults, underCeiling } from "#spec/ceiling.ts";
import { type Enforced, LIMIT_NAMES } from "#spec/job.ts";
import { effectiveLimits, type Limits } from "#spec/limits.ts";
import type { JobSpec } from "#spec/schema.ts";
import { takeFromRuntime } from "./descriptor.ts";
import type { LaunchRequest } from "./launch.ts";
import { type JobPaths, makeJobFiles, removeJobDirectory } from "./state-directory.ts";

/** What a host gives to every start. */
export interface Ground {
  readonly facts: Facts;
  readonly cgroups: CgroupHost;
  /** An open /dev/null. */
  readonly nothing: number;
  /** The most that a job may ask for. */
  readonly ceiling: Ceiling;
}

/** A job that is ready to be launched, and everything that was made for it. */
export interface Prepared {
  readonly program: Program;
  readonly limits: Limits;
  readonly enforced: Enforced;
  readonly cgroup: JobCgroup;
  readonly request: LaunchRequest;
  /** Descriptors of the output files, for the pump: closed with close(2), not by the runtime. */
  readonly data: number;
  readonly index: number;
  /** Closes what only the launch needed. */
  launched(): void;
  /** Takes everything away again; the output files are the pump's by then, or are closed here if it never had them. */
  abandon(): Promise<void>;
}

/** By what each limit of a job is held: the kernel's part from its cgroup, the rest from us. */
export function enforcedOf(held: JobCgroup["enforced"], spec: JobSpec, limits: Limits, nofileHard: number): Enforced {
  const nofile =
    limits.nofile <= nofileHard
      ? { by: "rlimit" as const }
      : { by: "rlimit" as const, why: `no more than ${nofileHard}, the daemon's own hard limit` };
  return {
    ...held,
    nofile,
    output: { by: "tele" },
    timeout: spec.timeout === undefined ? { by: "none", why: "no timeout was asked for" } : { by: "tele" },
  };
}

/** Refuses a job whose required limits this host cannot hold: LIMIT_NOT_ENFORCEABLE, every one of them named. */
export function checkRequired(spec: JobSpec, enforced: Enforced): void {
  const missing = LIMIT_NAMES.filter((name) => spec.require.includes(name) && enforced[name].by === "none");
  if (missing.length === 0) return;
  throw new TeleError("LIMIT_NOT_ENFORCEABLE", {
    detail: `this host cannot hold ${missing.join(", ")}`,
    hint: "see what it can with 'tele doctor', or leave the limit out of --require",
    faults: missing.map((name) => ({
      pointer: `/require/${spec.require.indexOf(name)}`,
      detail: `${name} cannot be held: ${enforced[name].why ?? "not available"}`,
    })),
  });
}

/** The spec as this server takes it on: INVALID_ARGUMENT where it asks for more than the ceiling, lower defaults filled in. */
export function admit(spec: JobSpec, ceiling: Ceiling): JobSpec {
  const faults = ceilingFaults(spec.limits, ceiling);
  if (faults.length === 0) return { ...spec, limits: underCeiling(spec.limits, ceiling) };
  throw new TeleError("INVALID_ARGUMENT", {
    detail: "the job asks for more than this server gives",
    hint: "ask for less, or have the server's --limit-ceiling raised",
    faults,
  });
}

/** The program of an admitted job: the same one whenever the same daemon plans it on the same host. */
export function programOf({ facts }: Ground, spec: JobSpec): Program {
  return plan({ spec, limits: effectiveLimits(spec.limits), identity: lookupUser(spec.user), facts });
}

/** Makes an admitted job's cgroup, directory and program. Throws TeleError, with nothing left behind. */
export async function prepare(ground: Ground, id: string, paths: JobPaths, spec: JobSpec): Promise<Prepared> {
  const { facts, cgroups } = ground;
  const limits = effectiveLimits(spec.limits);
  checkRequired(spec, enforcedOf(cgroups.enforced(limits), spec, limits, facts.nofileHard));
  // The kernel makes directories and files on other threads while this one makes the program.
  const making = cgroups.create(id, limits);
  const filing = makeJobFiles(paths);
  const everything = Promise.allSettled([making, filing]);
  try {
    const program = programOf(ground, spec);
    const tether = assemble(program, hostArchitecture());
    await everything;
    const [cgroup, files] = [await making, await filing];
    const enforced = enforcedOf(cgroup.enforced, spec, limits, facts.nofileHard);
    checkRequired(spec, enforced);
    const { directory, tasks } = cgroup;
    return {
      program,
      limits,
      enforced,
      cgroup,
      request: {
        tether,
        namespaces: program.namespaces,
        record: files.exit,
        stdin: ground.nothing,
        cgroup: directory === undefined ? tasks : [directory, ...tasks],
        ...(cgroups.tethers !== undefined && { tetherCgroup: cgroups.tethers }),
      },
      data: takeFromRuntime(files.data),
      index: takeFromRuntime(files.index),
      launched() {
        closeSync(files.exit);
        cgroup.closeDescriptors();
      },
      async abandon() {
        removeJobDirectory(paths);
        await cgroup.remove();
      },
    };
  } catch (error) {
    const [made, filed] = await everything;
    if (filed.status === "fulfilled") for (const fd of Object.values(filed.value)) closeSync(fd);
    removeJobDirectory(paths);
    if (made.status === "fulfilled") {
      made.value.closeDescriptors();
      await made.value.remove();
    }
    throw error;
  }
}

/** What the kernel refuses before the tether runs is blamed like any other step. */
export function refusal(call: string, errno: string, resource: string): TeleError {
  const step = `tether.${call.replaceAll("_", "-")}`;
  return new TeleError("START_FAILED", { detail: `${step}: ${call}: ${errno}`, step, errno, resource });
}
