import { CertError, corrupt } from "./errors.ts";
import type { Kind } from "./profiles.ts";
import type { RevokedList } from "./revoked.ts";
import { parseFingerprint } from "./values.ts";

/** What the index keeps of a certificate; a renewed one is another record of the same name. */
export interface IssuedRecord {
  readonly kind: Kind;
  /** `ca`, `server`, or the user. */
  readonly name: string;
  readonly roles: readonly string[];
  readonly sans: readonly string[];
  /** 32 small hex digits. */
  readonly serial: string;
  /** SHA-256 of the certificate, 64 small hex digits. */
  readonly fingerprint: string;
  /** RFC 3339, UTC. */
  readonly notBefore: string;
  /** RFC 3339, UTC. */
  readonly notAfter: string;
}

/** One line of the index. */
export function formatIssued(record: IssuedRecord): string {
  return `${JSON.stringify(record)}\n`;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isDate(value: unknown): value is string {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}

function toRecord(line: string): IssuedRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { kind, name, roles, sans, serial, fingerprint, notBefore, notAfter } = value as Record<string, unknown>;
  if (kind !== "ca" && kind !== "server" && kind !== "client") return undefined;
  if (typeof name !== "string" || !isStrings(roles) || !isStrings(sans)) return undefined;
  if (typeof serial !== "string" || typeof fingerprint !== "string" || !parseFingerprint(fingerprint)) return undefined;
  if (!isDate(notBefore) || !isDate(notAfter)) return undefined;
  return { kind, name, roles, sans, serial, fingerprint, notBefore, notAfter };
}

/** The index of issued certificates, oldest first; `file` is for the error only. */
export function parseIssued(text: string, file: string): IssuedRecord[] {
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const record = toRecord(line);
    if (!record)
      throw corrupt(file, `line ${index + 1} is not a record of a certificate`, "repair or remove that line");
    return [record];
  });
}

/** What a certificate is worth now. */
export type State = "valid" | "not yet valid" | "expired" | "revoked";

/** The state of a certificate at a time; revoked outweighs expired. */
export function stateOf(record: IssuedRecord, revoked: RevokedList, now: Date): State {
  if (revoked.has(record.fingerprint)) return "revoked";
  if (Date.parse(record.notAfter) <= now.getTime()) return "expired";
  return Date.parse(record.notBefore) > now.getTime() ? "not yet valid" : "valid";
}

/**
 * The records that `target` means, oldest first: all of a name, or the one of a serial or fingerprint, of which the
 * first eight digits are enough if no other begins like that.
 */
export function selectRecords(records: readonly IssuedRecord[], target: string): IssuedRecord[] {
  const named = records.filter(({ name }) => name === target);
  if (named.length > 0) return named;
  const digits = target.replaceAll(":", "").toLowerCase();
  const matches = /^[0-9a-f]{8,}$/.test(digits)
    ? records.filter(({ serial, fingerprint }) => serial.startsWith(digits) || fingerprint.startsWith(digits))
    : [];
  if (matches.length > 1)
    throw new CertError("ambiguous", {
      detail: `${matches.length} certificates begin with ${JSON.stringify(target)}`,
      hint: "write more of its digits: tele cert list shows them",
    });
  if (matches.length === 0)
    throw new CertError("unknown", {
      detail: `no certificate is called ${JSON.stringify(target)}`,
      hint: "tele cert list shows names, serials and fingerprints",
    });
  return matches;
}
