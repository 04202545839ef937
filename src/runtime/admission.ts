/** Whether this host takes a job on: everything that can be known before anything of it is made, all of it at once. */
import { uptime } from "node:os";
import { type Fault, TeleError } from "#errors";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { IDS_PER_JOB } from "#host/id-ranges.ts";
import { lookupUser } from "#host/users.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import { type Ceiling, ceilingFaults, underCeiling } from "#spec/ceiling.ts";
import { conflicts } from "#spec/conflicts.ts";
import type { Facts, Identity } from "#spec/facts.ts";
import { type Enforced, REQUIRE_NAMES } from "#spec/job.ts";
import { type Policy, policyOf } from "#spec/policy.ts";
import type { JobSpec } from "#spec/schema.ts";
import { filterFaults } from "./admission-filter.ts";
import { type Arranged, arrangeMounts } from "./mount-faults.ts";
import { ulimitFaults } from "./ulimit-faults.ts";
import { lookAtHost, tidy, walk } from "./walk.ts";

/** What admission has to know of the host, and of who keeps the job. */
export interface AdmissionHost {
  /** The most that a job may ask for. */
  readonly ceiling: Ceiling;
  readonly facts: Pick<Facts, "privileged" | "lastCapability" | "nofileHard" | "hide"> & Partial<Pick<Facts, "held">>;
  readonly keeper: "daemon" | "parent";
  /**
   * How many ids, from 0 on, a user namespace of a job's own has. Absent where it has only one, which is whichever the
   * job wants to be: the map of an ordinary user without subordinate ids.
   */
  readonly ids?: number;
  /** By what everything would be held for a spec, where that is known already; `require` is held against it. */
  readonly enforced?: (spec: JobSpec) => Enforced;
}

/** The host of a privileged daemon, which gives each job a range of its own. */
export function daemonHost(facts: AdmissionHost["facts"], ceiling: Ceiling): AdmissionHost {
  return { facts, ceiling, keeper: "daemon", ...(facts.privileged && { ids: IDS_PER_JOB }) };
}

/** Everything about this spec that cannot be had on this host, each with where it is said and the way out. */
export function admissionFaults(spec: JobSpec, host: AdmissionHost): Fault[] {
  return inspect(spec, host).faults;
}

/**
 * The spec as this host takes it on: defaults lowered to the ceiling, mounts in the order in which they can be made.
 * INVALID_ARGUMENT with every fault where it does not; LIMIT_NOT_ENFORCEABLE where all that is wrong is `require`.
 */
export function admit(spec: JobSpec, host: AdmissionHost): JobSpec {
  const { faults, mounts } = inspect(spec, host);
  const admitted = { ...spec, mounts: [...mounts], limits: underCeiling(spec.limits, host.ceiling) };
  const unheld = host.enforced ? requireFaults(spec, host.enforced(admitted)) : [];
  if (faults.length === 0 && unheld.length > 0) throw notEnforceable(unheld);
  const all = [...faults, ...unheld];
  if (all.length > 0) throw refused(all, ceilingFaults(spec.limits, host.ceiling).length === all.length);
  return admitted;
}

/** Refuses a job of which `require` names what this host cannot hold: LIMIT_NOT_ENFORCEABLE, every one of them named. */
export function checkRequired(spec: JobSpec, enforced: Enforced): void {
  const faults = requireFaults(spec, enforced);
  if (faults.length > 0) throw notEnforceable(faults);
}

/** What is required and not held. Hardening that is not known yet, because nothing was planned, is not unheld. */
function requireFaults({ require }: JobSpec, enforced: Enforced): RequireFault[] {
  return REQUIRE_NAMES.flatMap((name) => {
    const held = enforced[name];
    if (!require.includes(name) || held?.by !== "none") return [];
    const detail = `${name} cannot be held: ${held.why ?? "not available"}`;
    return [{ name, pointer: `/require/${require.indexOf(name)}`, detail }];
  });
}

interface RequireFault extends Fault {
  readonly name: string;
}

function notEnforceable(faults: readonly RequireFault[]): TeleError {
  return new TeleError("LIMIT_NOT_ENFORCEABLE", {
    detail: `this host cannot hold ${faults.map(({ name }) => name).join(", ")}`,
    hint: "see what it can with 'tele doctor', or leave it out of --require",
    faults: faults.map(({ pointer, detail }) => ({ pointer, detail })),
  });
}

function refused(faults: readonly Fault[], onlyCeiling: boolean): TeleError {
  if (onlyCeiling)
    return new TeleError("INVALID_ARGUMENT", {
      detail: "the job asks for more than this server gives",
      hint: "ask for less, or have the server's --limit-ceiling raised",
      faults,
    });
  const [first] = faults;
  return new TeleError("INVALID_ARGUMENT", {
    detail: faults.length === 1 && first ? `${first.pointer}: ${first.detail}` : `${faults.length} faults`,
    hint: "nothing was started; see what this host offers with: tele doctor",
    faults: faults.map(({ pointer, detail }) => ({ pointer, detail })),
  });
}

function inspect(
  spec: JobSpec,
  host: AdmissionHost,
): Pick<Arranged, "faults" | "mounts"> & { readonly faults: Fault[] } {
  const policy = policyOf(spec);
  const arranged = arrangeMounts(spec, host.facts.hide);
  const faults = [
    ...ceilingFaults(spec.limits, host.ceiling),
    ...conflicts(spec),
    ...arranged.faults,
    ...userFaults(spec, policy, host, arranged),
    ...securityFaults(spec, policy, host),
    ...landlockFaults(spec, arranged),
    ...ulimitFaults(spec, host),
  ];
  return { faults, mounts: arranged.mounts };
}

function userFaults(spec: JobSpec, policy: Policy, { ids }: AdmissionHost, { view }: Arranged): Fault[] {
  const named = !/^\d/.test(spec.user);
  // Names are looked up in the host's file: the job has to see that very file, or the name would mean something else.
  const seen = view.at("/etc/passwd");
  const over = view.over(seen.path);
  const here = over ? `${over.source}${seen.path.slice(over.target.length)}` : seen.path;
  const known = over
    ? over.mount.type === "bind" && here === walk("/etc/passwd", lookAtHost).path
    : spec.root.type === "host";
  if (named && !(known && seen.seen === "file"))
    return [
      {
        pointer: "/user",
        detail: `${spec.user} is looked up in the host's /etc/passwd, which this job does not see; give a number`,
      },
    ];
  let identity: Identity;
  try {
    identity = lookupUser(spec.user);
  } catch (error) {
    if (!(error instanceof TeleError) || !error.fields.faults) throw error;
    const { faults, hint } = error.fields;
    return faults.map(({ pointer, detail }) => ({
      pointer,
      detail: hint === undefined ? detail : `${detail}; ${hint}`,
    }));
  }
  if (policy.userns === "host" || ids === undefined) return [];
  const outside = [
    ...(identity.uid < ids ? [] : [`uid ${identity.uid}`]),
    ...[identity.gid, ...identity.groups].filter((gid) => gid >= ids).map((gid) => `gid ${gid}`),
  ];
  if (outside.length === 0) return [];
  const range = `ids of a job's user namespace go from 0 to ${ids - 1}`;
  return [
    {
      pointer: "/user",
      detail: `has ${outside.join(", ")}, and the ${range}; choose others, or the host's user namespace`,
    },
  ];
}

function securityFaults(spec: JobSpec, policy: Policy, { facts, keeper }: AdmissionHost): Fault[] {
  const { security } = spec;
  const faults: Fault[] = [];
  if (policy.userns === "host" && !facts.privileged)
    faults.push({
      pointer: security.userns === "host" ? "/security/userns" : "/security/profile",
      detail:
        security.userns === "host"
          ? "cannot be host for an ordinary user, who may make a sandbox only in a user namespace of its own; leave it out, or be root"
          : "host keeps the host's user namespace, which an ordinary user's sandbox cannot; be root, or add --userns private",
    });
  for (const [index, name] of (security.capAdd ?? []).entries())
    if (name !== "ALL" && CAPABILITIES.indexOf(name) > facts.lastCapability)
      faults.push({
        pointer: `/security/capAdd/${index}`,
        detail: `${name} is newer than this kernel, which knows none above ${CAPABILITIES[facts.lastCapability]}; leave it out`,
      });
  if (!policy.newSession && keeper === "daemon")
    faults.push({
      pointer: "/security/newSession",
      detail: "false is for `tele run`: a server's job has no session to stay in; leave it out",
    });
  if (policy.clock) {
    // The kernel refuses a clock below zero (time_namespaces(7), ERANGE); the host's began at its boot.
    const lowest = -Math.floor(uptime());
    for (const name of ["monotonic", "boottime"] as const)
      if (policy.clock[name] < lowest)
        faults.push({
          pointer: `/security/clock/${name}`,
          detail: `would set the clock to before zero: this host is up for ${-lowest} seconds; choose ${lowest} or more`,
        });
  }
  if (typeof policy.seccomp === "object") faults.push(...filterFaults(policy.seccomp, hostArchitecture()));
  return faults;
}

function landlockFaults({ security }: JobSpec, { view }: Arranged): Fault[] {
  return (["read", "write"] as const).flatMap((list) =>
    (security[list] ?? []).flatMap((path, index): Fault[] => {
      const { seen, errno } = view.at(path);
      if (seen === "directory" || seen === "file") return [];
      const why = errno === undefined || errno === "ENOENT" ? "" : ` (${errno})`;
      const detail = `${tidy(path)} does not exist in the job's root${why}; correct the path, or mount something there`;
      return [{ pointer: `/security/${list}/${index}`, detail }];
    }),
  );
}
