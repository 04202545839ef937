import { CertError } from "./errors.ts";
import { appendLines, pathsOf } from "./files.ts";
import { selectRecords } from "./issued.ts";
import { loadIndex } from "./main.ts";
import { formatRevoked, oneLine, REVOKED_HEADER, type RevokedEntry } from "./revoked.ts";
import { parseFingerprint } from "./values.ts";

/** What `revoke` did. */
export interface RevokeResult {
  readonly entries: readonly RevokedEntry[];
  /** How many of those that were meant had been revoked before. */
  readonly before: number;
  /** The list, which running servers watch. */
  readonly file: string;
}

/**
 * Revokes every certificate of a user, or one by serial or fingerprint, by adding to the list that servers watch.
 * Revoking twice is no error. A whole fingerprint need not be of the index: it may come from an authority elsewhere.
 */
export function revoke(dir: string, target: string, why?: string, now: Date = new Date()): RevokeResult {
  const { records, revoked } = loadIndex(dir);
  const reason = oneLine(why ?? "");
  const at = `${now.toISOString().slice(0, 19)}Z`;
  const fingerprint = parseFingerprint(target);
  const isForeign = fingerprint !== undefined && !records.some((record) => record.fingerprint === fingerprint);
  const meant = isForeign ? [{ fingerprint }] : selectRecords(records, target);
  for (const record of meant)
    if ("kind" in record && record.kind !== "client")
      throw new CertError("badValue", {
        detail: `the certificate of the ${record.kind === "ca" ? "authority" : "server"} cannot be revoked: no client reads the list`,
        hint:
          record.kind === "ca" ? "make a new authority: tele cert init --force" : "replace it: tele cert renew server",
      });
  const entries = meant
    .filter((record) => !revoked.has(record.fingerprint))
    .map((record): RevokedEntry => {
      const known = "serial" in record ? { serial: record.serial, name: record.name } : {};
      return { fingerprint: record.fingerprint, at, ...known, ...(reason && { why: reason }) };
    });
  const file = pathsOf(dir).revoked;
  if (entries.length > 0) appendLines(file, entries.map(formatRevoked).join(""), 0o644, REVOKED_HEADER);
  return { entries, before: meant.length - entries.length, file };
}
