/** One start: from a spec to a launched tether, every file and cgroup made on the way undone when it fails. */
import { closeSync, openSync } from "node:fs";
import { TeleError } from "#errors";
import { SystemError } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import type { CgroupHost } from "#host/cgroup/host.ts";
import type { JobCgroup } from "#host/cgroup/job.ts";
import { lookupUser } from "#host/users.ts";
import { assemble } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import type { Facts } from "#spec/facts.ts";
import type { Program } from "#program/step.ts";
import { type Ceiling, ceilingFaults, underCeiling } from "#spec/ceiling.ts";
import { type Enforced, LIMIT_NAMES } from "#spec/job.ts";
import { effectiveLimits, type JobSpec, type Limits } from "#spec/schema.ts";
import { type Launched, launch } from "./launch.ts";
import { type JobPaths, makeJobDirectory, removeJobDirectory } from "./state-directory.ts";

/** What a host gives to every start. */
export interface Ground {
  readonly facts: Omit<Facts, "cgroup">;
  readonly cgroups: CgroupHost;
  /** An open /dev/null. */
  readonly nothing: number;
  /** Bytes of output of a job that asks for no other limit. */
  readonly defaultOutput: number;
  /** The most that a job may ask for. */
  readonly ceiling: Ceiling;
}

/** A tether under way, and what belongs to it. */
export interface Started {
  readonly program: Program;
  readonly limits: Limits;
  readonly enforced: Enforced;
  readonly cgroup: JobCgroup;
  readonly launched: Launched;
  /** Descriptors of the output files, for the pump. */
  readonly data: number;
  readonly index: number;
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

/** Starts a job. Throws TeleError, with nothing left behind. */
export async function start(ground: Ground, id: string, paths: JobPaths, spec: JobSpec): Promise<Started> {
  const { facts, cgroups } = ground;
  const identity = lookupUser(spec.user);
  const beyond = ceilingFaults(spec.limits, ground.ceiling);
  if (beyond.length > 0) {
    throw new TeleError("INVALID_ARGUMENT", {
      detail: "the job asks for more than this server gives",
      hint: "ask for less, or have the server's --limit-ceiling raised",
      faults: beyond,
    });
  }
  const limits = underCeiling(effectiveLimits(spec.limits), ground.ceiling);
  checkRequired(spec, enforcedOf(cgroups.enforced(limits), spec, limits, facts.nofileHard));
  const cgroup = await cgroups.create(id, limits);
  const open: number[] = [];
  const file = (path: string, flags: string): number => {
    const fd = openSync(path, flags, 0o600);
    open.push(fd);
    return fd;
  };
  try {
    const enforced = enforcedOf(cgroup.enforced, spec, limits, facts.nofileHard);
    checkRequired(spec, enforced);
    const { directory, tasks } = cgroup;
    const program = plan({
      spec,
      limits,
      identity,
      facts: { ...facts, cgroup: { v2: directory !== undefined, v1: tasks.length } },
    });
    makeJobDirectory(paths);
    const record = file(paths.exit, "wx");
    const data = file(paths.data, "wx");
    const index = file(paths.index, "wx");
    const launched = launch({
      tether: assemble(program, hostArchitecture()),
      namespaces: program.namespaces,
      record,
      stdin: ground.nothing,
      cgroup: directory === undefined ? tasks : [directory, ...tasks],
      ...(cgroups.tethers !== undefined && { tetherCgroup: cgroups.tethers }),
    });
    closeSync(record);
    cgroup.closeDescriptors();
    return { program, limits, enforced, cgroup, launched, data, index };
  } catch (error) {
    for (const fd of open) closeSync(fd);
    cgroup.closeDescriptors();
    removeJobDirectory(paths);
    await cgroup.remove();
    throw startError(error);
  }
}

/** What the kernel refuses before the tether runs is blamed like any other step. */
function startError(error: unknown): unknown {
  if (error instanceof SystemError) {
    const step = `tether.${error.call}`;
    return new TeleError(
      "START_FAILED",
      { detail: `${step}: ${error.message}`, step, errno: error.errnoName },
      { cause: error },
    );
  }
  if (error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT")) {
    return new TeleError(
      "INSUFFICIENT_STORAGE",
      {
        detail: "the disk of the state directory is full",
        hint: "free space there, or delete closed jobs with 'tele rm'",
      },
      { cause: error },
    );
  }
  return error;
}
