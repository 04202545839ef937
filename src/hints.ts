/** Ways out that more than one place has to name: one clause each, said after `hint:`. */
import type { Code } from "#errors";

export const HINTS = {
  makeCertificates: "make certificates and a context with: tele cert init",
  startServer: "start one with: tele serve",
  otherServer: "check --host (or $TELE_HOST) and that `tele serve` runs there",
  listJobs: "list them with: tele ps -a",
  stopFirst: "stop it first with: tele stop, or use: tele rm -f",
  doctor: "see what this host offers with: tele doctor",
} as const;

const BY_CODE: Partial<Record<Code, string>> = {
  NOT_FOUND: HINTS.listJobs,
  UNAUTHENTICATED: "see which certificate you use with: tele cert show",
  PERMISSION_DENIED: "ask for a certificate with another role: tele cert issue NAME --role operator",
  LIMIT_NOT_ENFORCEABLE: HINTS.doctor,
};

/** The way out where an error came without one of its own; undefined when its code alone does not tell. */
export function hintForCode(code: Code): string | undefined {
  return BY_CODE[code];
}
