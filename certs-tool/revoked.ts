import { corrupt } from "./errors.ts";
import { parseFingerprint } from "./values.ts";

/** One revoked certificate. What is only known of certificates from this tool's index may be missing. */
export interface RevokedEntry {
  /** SHA-256 of the certificate, 64 small hex digits. */
  readonly fingerprint: string;
  readonly serial?: string;
  /** RFC 3339, UTC. */
  readonly at?: string;
  readonly name?: string;
  readonly why?: string;
}

/** Revoked certificates by fingerprint, in the order of their revocation. */
export type RevokedList = ReadonlyMap<string, RevokedEntry>;

/** What a new list begins with. */
export const REVOKED_HEADER =
  "# Certificates that tele serve refuses, one a line: SHA-256 fingerprint, then serial, date, name and why (- is unknown).\n";

/** A reason as it fits into a line of the list: without line ends and whatever else a terminal would obey. */
export function oneLine(why: string): string {
  return why
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .trim()
    .slice(0, 200)
    .trim();
}

/** One line of the list. */
export function formatRevoked(entry: RevokedEntry): string {
  const words = [entry.fingerprint, entry.serial ?? "-", entry.at ?? "-", entry.name ?? "-", oneLine(entry.why ?? "")];
  return `${words.join(" ").trimEnd()}\n`;
}

/**
 * Reads the list. Empty lines and lines that begin with # are skipped; a fingerprint alone, with or without colons, is
 * enough. Anything else is an error and never skipped, or a slip of the pen would let a revoked certificate in: who
 * reloads a list that does not parse keeps the one before. `file` is for the error only.
 */
export function parseRevoked(text: string, file: string): RevokedList {
  const list = new Map<string, RevokedEntry>();
  for (const [index, line] of text.split("\n").entries()) {
    const words = line.trim().split(/\s+/);
    const first = words[0] ?? "";
    if (first === "" || first.startsWith("#")) continue;
    const fingerprint = parseFingerprint(first);
    if (!fingerprint)
      throw corrupt(file, `line ${index + 1} does not begin with a SHA-256 fingerprint`, "repair or remove that line");
    if (list.has(fingerprint)) continue;
    const known = (at: number) => (words[at] === "-" ? undefined : words[at]);
    const [serial, at, name, why] = [known(1), known(2), known(3), words.slice(4).join(" ")];
    list.set(fingerprint, {
      fingerprint,
      ...(serial && { serial }),
      ...(at && { at }),
      ...(name && { name }),
      ...(why && { why }),
    });
  }
  return list;
}

/** The entry of a certificate, by its fingerprint in any spelling, such as Node's `fingerprint256`. */
export function findRevoked(list: RevokedList, fingerprint: string): RevokedEntry | undefined {
  return list.get(parseFingerprint(fingerprint) ?? "");
}
