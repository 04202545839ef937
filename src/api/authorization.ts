/** Who may do what: pure decisions, without a request or a job at hand. */
import type { Code } from "#errors";
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
  | { readonly allowed: false; readonly code: Code; readonly detail: string; readonly hint?: string };

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
