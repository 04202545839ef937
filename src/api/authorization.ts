/** Who may do what: pure decisions, without a request or a job at hand. */
import type { Code, Fault } from "#errors";
import { relaxations } from "#spec/policy.ts";
import type { JobSpec } from "#spec/schema.ts";
import type { Identity } from "./identity.ts";

/** What each action needs: nothing but a valid certificate, a role that reads, or one that changes things. */
const NEEDS = {
  "health.get": "nothing",
  "openapi.get": "nothing",
  "host.get": "read",
  "events.watch": "read",
  "jobs.list": "read",
  "jobs.get": "read",
  "jobs.watch": "read",
  "jobs.wait": "read",
  "jobs.create": "write",
  "jobs.stop": "write",
  "jobs.signal": "write",
  "jobs.delete": "write",
} as const;

/** One thing that a caller can ask for. */
export type Action = keyof typeof NEEDS;

/** The answer; a refusal says with which code, and what helps. */
export type Decision =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      readonly code: Code;
      readonly detail: string;
      readonly hint?: string;
      /** The parts of the request that need more than the caller has. */
      readonly faults?: readonly Fault[];
    };

/** A refusal. */
export type Denial = Extract<Decision, { readonly allowed: false }>;

const ALLOWED: Decision = { allowed: true };

/** Whether the caller's roles allow the action on anything at all. */
export function allowsAction(who: Identity, action: Action): Decision {
  const need = NEEDS[action];
  if (need === "nothing") return ALLOWED;
  if (who.roles.length === 0)
    return denied(
      `the certificate of ${who.user} carries no role`,
      "ask for one with: tele cert issue NAME --role operator",
    );
  if (need === "write" && !who.roles.includes("admin") && !who.roles.includes("operator"))
    return denied(`${action} needs the role operator or admin`, "ask for a certificate with another role");
  return ALLOWED;
}

/** What a job can do instead of each relaxation. */
const INSTEAD: Readonly<Record<string, string>> = {
  "/security/profile": "strict and default do not",
  "/security/userns": "private does not",
  "/security/capAdd": "without it a job has none",
  "/security/noNewPrivileges": "true does not",
  "/security/seccomp": "the filters of the profiles strict and default do not",
  "/security/maskPaths": "true does not",
  "/security/share": "without it every namespace is the job's own",
  "/ulimits/rtprio": "without it a job has its share of the CPUs",
  "/mounts": "a tmpfs does not, and the host's tree can be read without a bind mount",
};

/** Whether the caller may start this job: what relaxes the sandbox or reaches into the host is for admins alone. */
export function allowsSpec(who: Identity, spec: JobSpec): Decision {
  if (who.roles.includes("admin")) return ALLOWED;
  const faults = relaxations(spec).map((pointer): Fault => {
    const instead = INSTEAD[pointer] ?? INSTEAD[pointer.slice(0, pointer.lastIndexOf("/"))];
    return { pointer, detail: `needs the role admin${instead === undefined ? "" : `; ${instead}`}` };
  });
  const [first] = faults;
  if (first === undefined) return ALLOWED;
  return {
    allowed: false,
    code: "PERMISSION_DENIED",
    detail: faults.length === 1 ? `${first.pointer} ${first.detail}` : `${faults.length} fields need the role admin`,
    hint: "leave it out, or ask for a certificate with: tele cert issue NAME --role admin",
    faults,
  };
}

/** Whether the caller may see what belongs to `owner`. What he may not see does not exist for him: 404, not 403. */
export function maySee(who: Identity, owner: string): boolean {
  return owner === who.user || who.roles.includes("admin");
}

/** The owner whose jobs a list is restricted to; undefined for all. */
export function listScope(who: Identity): string | undefined {
  return who.roles.includes("admin") ? undefined : who.user;
}

function denied(detail: string, hint: string): Decision {
  return { allowed: false, code: "PERMISSION_DENIED", detail, hint };
}
