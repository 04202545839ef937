/** Requests of one spec that contradict each other, each with the way out. Pure: the host has no say in it. */
import type { Fault } from "#errors";
import { policyOf } from "./policy.ts";
import type { JobSpec } from "./schema.ts";

/** What `hostname` is where nobody chose one. */
const DEFAULT_HOSTNAME = "sandbox";

/** Every contradiction at once. */
export function conflicts(spec: JobSpec): Fault[] {
  return [...capabilityConflicts(spec), ...strictConflicts(spec), ...otherConflicts(spec)];
}

function capabilityConflicts({ security: { capAdd = [], capDrop = [] } }: JobSpec): Fault[] {
  return capDrop.flatMap((name, index) =>
    capAdd.includes(name)
      ? [{ pointer: `/security/capDrop/${index}`, detail: `${name} is added too; name it in one of the two` }]
      : [],
  );
}

/** The profile `strict` is a promise: what breaks it is not tuning. */
function strictConflicts({ security }: JobSpec): Fault[] {
  if (security.profile !== "strict") return [];
  const wayOut = "contradicts the profile strict; leave it out, or use the profile default";
  return [
    ...(security.userns === "host" ? ["/security/userns"] : []),
    ...(security.noNewPrivileges === false ? ["/security/noNewPrivileges"] : []),
    ...(security.seccomp === "unconfined" ? ["/security/seccomp"] : []),
    ...(security.maskPaths === false ? ["/security/maskPaths"] : []),
  ].map((pointer) => ({ pointer, detail: wayOut }));
}

function otherConflicts(spec: JobSpec): Fault[] {
  const policy = policyOf(spec);
  const faults: Fault[] = [];
  if (policy.reportDenied && policy.seccomp === "unconfined")
    faults.push({
      pointer: "/security/reportDenied",
      detail: "has nothing to report, since nothing is denied without a filter; leave it out, or keep a filter",
    });
  if (policy.share.includes("uts") && spec.hostname !== DEFAULT_HOSTNAME)
    faults.push({
      pointer: "/hostname",
      detail: "would be the host's too, whose uts namespace the job shares; leave it out, or do not share uts",
    });
  if (spec.limits.nofile !== undefined && spec.ulimits.nofile)
    faults.push({ pointer: "/ulimits/nofile", detail: "is /limits/nofile too; ask in one place" });
  if (spec.root.type === "empty" && !spec.mounts.some(({ type }) => type === "bind"))
    faults.push({
      pointer: "/root/type",
      detail: "is empty and no bind mount puts a program into it; add one, such as of /usr",
    });
  return faults;
}
