/** From what a job asks to what holds: its profile with everything that it tightens or relaxes. Pure. */
import { CAPABILITIES, type CapabilityName, DOCKER_CAPABILITIES } from "./capabilities.ts";
import type { OciSeccomp } from "./oci-seccomp.ts";
import type { JobSpec } from "./schema.ts";
import type { Profile, Shareable } from "./security-names.ts";

/** The effective hardening of one job. */
export interface Policy {
  readonly profile: Profile;
  readonly userns: "private" | "host";
  /** Namespaces that it shares with the host. */
  readonly share: readonly Shareable[];
  /** In every set of the workload; sorted by number. */
  readonly capabilities: readonly CapabilityName[];
  readonly noNewPrivileges: boolean;
  /** A filter of ours, one that was given, or none. */
  readonly seccomp: "strict" | "default" | "dev" | "unconfined" | OciSeccomp;
  readonly landlock?: { readonly read: readonly string[]; readonly write: readonly string[] };
  readonly maskPaths: boolean;
  /** Offsets of the clocks of a time namespace of its own, seconds. */
  readonly clock?: { readonly monotonic: number; readonly boottime: number };
  readonly reportDenied: boolean;
  readonly newSession: boolean;
}

type Base = Pick<Policy, "userns" | "share" | "capabilities" | "noNewPrivileges" | "seccomp" | "maskPaths">;

const BASES: Readonly<Record<Profile, Base>> = {
  strict: { userns: "private", share: [], capabilities: [], noNewPrivileges: true, seccomp: "strict", maskPaths: true },
  default: {
    userns: "private",
    share: [],
    capabilities: [],
    noNewPrivileges: true,
    seccomp: "default",
    maskPaths: true,
  },
  dev: {
    userns: "private",
    share: [],
    capabilities: DOCKER_CAPABILITIES,
    noNewPrivileges: false,
    seccomp: "dev",
    maskPaths: true,
  },
  host: {
    userns: "host",
    share: ["net", "ipc", "uts"],
    capabilities: CAPABILITIES,
    noNewPrivileges: false,
    seccomp: "unconfined",
    maskPaths: false,
  },
};

/** What holds for this job. */
export function policyOf({ security }: Pick<JobSpec, "security">): Policy {
  const { profile = "default", capAdd = [], capDrop = [], read, write, clock, ...asked } = security;
  const base = BASES[profile];
  // As docker does: ALL is the widest word of its list, and the names of the other one are its exceptions.
  const kept = capDrop.includes("ALL") ? [] : capAdd.includes("ALL") ? CAPABILITIES : base.capabilities;
  const capabilities = CAPABILITIES.filter(
    (name) => capAdd.includes(name) || (kept.includes(name) && !capDrop.includes(name)),
  );
  return {
    profile,
    userns: asked.userns ?? base.userns,
    share: asked.share ?? base.share,
    capabilities,
    noNewPrivileges: asked.noNewPrivileges ?? base.noNewPrivileges,
    seccomp: asked.seccomp ?? base.seccomp,
    ...((read ?? write) && { landlock: { read: read ?? [], write: write ?? [] } }),
    maskPaths: asked.maskPaths ?? base.maskPaths,
    ...(clock && { clock }),
    reportDenied: asked.reportDenied ?? false,
    newSession: asked.newSession ?? true,
  };
}

/** JSON pointers of what relaxes the default sandbox or reaches into the host: only an admin may ask a server for it. */
export function relaxations({ security, mounts, ulimits }: Pick<JobSpec, "security" | "mounts" | "ulimits">): string[] {
  const at: string[] = [];
  const { profile = "default", userns, capAdd, noNewPrivileges, seccomp, maskPaths, share } = security;
  if (profile === "dev" || profile === "host") at.push("/security/profile");
  if (userns === "host") at.push("/security/userns");
  if (capAdd && capAdd.length > 0) at.push("/security/capAdd");
  if (noNewPrivileges === false) at.push("/security/noNewPrivileges");
  if (seccomp !== undefined) at.push("/security/seccomp");
  if (maskPaths === false) at.push("/security/maskPaths");
  if (share && share.length > 0) at.push("/security/share");
  // A realtime process does without its cgroup's share of the CPUs (sched(7), "Limiting the CPU usage of real-time").
  if (ulimits.rtprio && ulimits.rtprio.hard !== 0) at.push("/ulimits/rtprio");
  mounts.forEach((mount, index) => mount.type === "bind" && at.push(`/mounts/${index}`));
  return at;
}
