/** How each hardening of a job holds, in words: pure, from what was planned. */
import { CAPABILITIES } from "#spec/capabilities.ts";
import type { Facts, IdMapLine, IdMaps } from "#spec/facts.ts";
import type { EnforcedBy, HardeningName } from "#spec/job.ts";
import type { Policy } from "#spec/policy.ts";
import type { JobSpec } from "#spec/schema.ts";
import { SHAREABLE } from "#spec/security-names.ts";

/** What else decides how the hardening holds. */
export interface HardeningMore {
  readonly spec: Pick<JobSpec, "root" | "mounts" | "security">;
  /** The ids of its user namespace, where it has its own. */
  readonly ids?: IdMaps;
  /** How many system calls its filter allows, where that was counted. */
  readonly allowedCalls?: number;
}

const NOT_ASKED = "not asked for";

/** By what each hardening of a job with this policy is held on a host with these facts, and what does not hold why. */
export function hardeningOf(
  policy: Policy,
  facts: Pick<Facts, "landlock" | "privileged">,
  more: HardeningMore,
): Record<HardeningName, EnforcedBy> {
  const asked = more.spec.security;
  /** Why something does not hold: it was asked for by itself, or came with the profile. */
  const relaxed = (field: "userns" | "noNewPrivileges" | "seccomp" | "maskPaths" | "capAdd"): EnforcedBy =>
    none(asked[field] === undefined ? `relaxed by the profile ${policy.profile}` : "as asked for");
  return {
    userns: policy.userns === "private" ? kernel(usernsText(more.ids)) : relaxed("userns"),
    namespaces: namespacesOf(policy),
    root: kernel(rootText(more.spec)),
    capabilities: capabilitiesOf(policy, relaxed("capAdd")),
    noNewPrivileges: policy.noNewPrivileges ? kernel() : relaxed("noNewPrivileges"),
    seccomp: policy.seccomp === "unconfined" ? relaxed("seccomp") : kernel(filterText(policy, more.allowedCalls)),
    landlock: landlockOf(policy, facts.landlock),
    maskedPaths: policy.maskPaths ? kernel() : relaxed("maskPaths"),
    devices: kernel(facts.privileged ? undefined : "the host's own, bound"),
    keyring: kernel(),
    descriptors: kernel(),
    tether: kernel(),
  };
}

function kernel(how?: string): EnforcedBy {
  return how === undefined ? { by: "kernel" } : { by: "kernel", how };
}

function none(why: string): EnforcedBy {
  return { by: "none", why };
}

function usernsText(ids: IdMaps | undefined): string | undefined {
  if (!ids) return undefined;
  const [uids, gids] = [ids.uids.map(lineText), ids.gids.map(lineText)].map((lines) => lines.join(", "));
  return uids === gids ? `uid ${uids}` : `uid ${uids}; gid ${gids}`;
}

/** `0 is 1065536 outside`, with up to where where there are more. */
function lineText({ inside, outside, count }: IdMapLine): string {
  return `${inside} is ${outside} outside${count === 1 ? "" : `, ${count} ids`}`;
}

function namespacesOf({ share, clock }: Policy): EnforcedBy {
  const own = ["pid", "mount", ...SHAREABLE.filter((name) => !share.includes(name)), ...(clock ? ["time"] : [])];
  const held = { by: "kernel", how: own.join(", ") } as const;
  return share.length === 0 ? held : { ...held, why: `${share.join(", ")} shared with the host` };
}

function rootText({ root, mounts }: HardeningMore["spec"]): string {
  const binds = mounts.filter((mount) => mount.type === "bind");
  const writable = binds.filter((mount) => !mount.readOnly).length;
  const parts = [root.type === "host" ? "the host's tree, read-only" : "an empty one, read-only", "nosuid, nodev"];
  if (binds.length > 0) parts.push(`${binds.length} bind mount${binds.length === 1 ? "" : "s"}, ${writable} writable`);
  return parts.join("; ");
}

function capabilitiesOf({ capabilities, userns }: Policy, relaxed: EnforcedBy): EnforcedBy {
  if (capabilities.length === 0) return kernel("none");
  const all = capabilities.length === CAPABILITIES.length;
  if (all && userns === "host") return relaxed;
  const list = all ? "all" : capabilities.join(", ");
  return kernel(userns === "private" ? `${list}, in its user namespace only` : list);
}

function filterText({ seccomp }: Policy, allowed: number | undefined): string {
  const name = typeof seccomp === "string" ? seccomp : "as given";
  return allowed === undefined ? name : `${name}, ${allowed} calls allowed`;
}

function landlockOf({ landlock }: Policy, abi: number): EnforcedBy {
  if (!landlock) return none(NOT_ASKED);
  if (abi === 0) return none("this kernel has none, or it was not switched on at boot");
  const { read, write } = landlock;
  return kernel(`ABI ${abi}, ${read.length} to read, ${write.length} to write`);
}
