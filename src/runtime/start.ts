/** One start up to the launch: from a spec to a program and everything that it needs, undone again when it fails. */
import { closeSync } from "node:fs";
import { TeleError } from "#errors";
import { call } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import type { CgroupHost } from "#host/cgroup/host.ts";
import type { JobCgroup } from "#host/cgroup/job.ts";
import type { IdRange } from "#host/id-ranges.ts";
import { mappingNamespace } from "#host/mapping-namespace.ts";
import { fileSources } from "#host/mount-sources.ts";
import { lookupUser } from "#host/users.ts";
import { assemble } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import { hardeningOf } from "#program/hardening.ts";
import type { PlanInput } from "#program/phase.ts";
import { isIdMapped } from "#program/phases/60-mounts.ts";
import { isSupervised } from "#program/phases/95-filter.ts";
import type { Filter } from "#program/seccomp/filter.ts";
import { filterFor } from "#program/seccomp/policy-filter.ts";
import { isUnowned } from "#program/shape.ts";
import type { Program } from "#program/step.ts";
import { type Facts, mapsOf } from "#spec/facts.ts";
import type { Ceiling } from "#spec/ceiling.ts";
import type { Enforced } from "#spec/job.ts";
import { effectiveLimits, type Limits } from "#spec/limits.ts";
import { policyOf } from "#spec/policy.ts";
import type { JobSpec } from "#spec/schema.ts";
import { checkRequired } from "./admission.ts";
import { takeFromRuntime } from "./descriptor.ts";
import type { LaunchRequest } from "./launch.ts";
import { type JobPaths, makeJobFiles, removeJobDirectory } from "./state-directory.ts";

/** What a host gives to every start. */
export interface Ground {
  readonly facts: Facts;
  readonly cgroups: CgroupHost;
  /** An open /dev/null. */
  readonly nothing: number;
  /** The namespace for `Facts.unowned`, where there is one. */
  readonly unowned: number | undefined;
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
  /** The filter whose denials are to be reported. */
  readonly denials?: Filter;
  /** Descriptors of the output files, for the pump: closed with close(2), not by the runtime. */
  readonly data: number;
  readonly index: number;
  /** Closes what only the launch needed. */
  launched(): void;
  /** Takes everything away again; the output files are the pump's by then, or are closed here if it never had them. */
  abandon(): Promise<void>;
}

/** By what each limit and each hardening of a job is held: the kernel's part from its cgroup, the rest from us. */
function enforcedOf(held: JobCgroup["enforced"], input: PlanInput): Enforced {
  const { spec, limits, facts, policy, ids } = input;
  const nofile =
    limits.nofile <= facts.nofileHard
      ? { by: "rlimit" as const }
      : { by: "rlimit" as const, why: `no more than ${facts.nofileHard}, the daemon's own hard limit` };
  return {
    ...held,
    nofile,
    output: { by: "tele" },
    timeout: spec.timeout === undefined ? { by: "none", why: "no timeout was asked for" } : { by: "tele" },
    ...hardeningOf(policy, facts, { spec, ...(ids && { ids }) }),
  };
}

/** What an admitted job's program is made from: the same whenever the same daemon plans it on the same host. */
function planInput({ facts }: Ground, spec: JobSpec, range: IdRange | undefined): PlanInput {
  return {
    spec,
    policy: policyOf(spec),
    limits: effectiveLimits(spec.limits),
    identity: lookupUser(spec.user),
    facts,
    keeper: "daemon",
    files: fileSources(spec.mounts),
    ...(range && { ids: mapsOf(range) }),
  };
}

/** By what everything would be held for this spec, before anything of it is made. */
export function expectedOf(ground: Ground, spec: JobSpec): Enforced {
  const input = planInput(ground, spec, undefined);
  return enforcedOf(ground.cgroups.enforced(input.limits), input);
}

/** The program of an admitted job whose user namespace has these ids. */
export function programOf(ground: Ground, spec: JobSpec, range: IdRange | undefined): Program {
  return plan(planInput(ground, spec, range));
}

/** Makes an admitted job's cgroup, directory and program. Throws TeleError, with nothing left behind. */
export async function prepare(
  ground: Ground,
  id: string,
  paths: JobPaths,
  spec: JobSpec,
  range: IdRange | undefined,
): Promise<Prepared> {
  const { cgroups } = ground;
  const input = planInput(ground, spec, range);
  const { limits } = input;
  checkRequired(spec, enforcedOf(cgroups.enforced(limits), input));
  // The kernel makes directories and files on other threads while this one makes the program.
  const making = cgroups.create(id, limits);
  const filing = makeJobFiles(paths);
  const everything = Promise.allSettled([making, filing]);
  try {
    const program = plan(input);
    const tether = assemble(program, hostArchitecture());
    await everything;
    const [cgroup, files] = [await making, await filing];
    const enforced = enforcedOf(cgroup.enforced, input);
    checkRequired(spec, enforced);
    const { directory, tasks } = cgroup;
    const denials = isSupervised(input) ? filterFor(input.policy) : undefined;
    const idmap =
      input.ids && spec.mounts.some((mount) => isIdMapped(input, mount)) ? mappingNamespace(input.ids) : undefined;
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
        ...(idmap !== undefined && { idmap }),
        ...(ground.unowned !== undefined && isUnowned(input) && { unowned: ground.unowned }),
      },
      ...(denials && { denials }),
      data: takeFromRuntime(files.data),
      index: takeFromRuntime(files.index),
      launched() {
        closeSync(files.exit);
        if (idmap !== undefined) call("close", idmap);
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
