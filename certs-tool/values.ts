import { isIP } from "node:net";
import { badValue, CertError } from "./errors.ts";

/** What a user may do: `admin` everything, `operator` its own jobs, `viewer` reads. Each is an O of the subject. */
export const ROLES = ["admin", "operator", "viewer"] as const;

/** One of the roles. */
export type Role = (typeof ROLES)[number];

/** A name that a server certificate is valid for. */
export interface San {
  readonly type: "dns" | "ip";
  readonly value: string;
}

/** Names of files beside the users' ones, and so not names of users. */
const RESERVED = new Set(["ca", "server"]);

/** A user's name, which becomes the CN and a file's name: no slash, no leading dot, at most 63 characters. */
export function parseUser(text: string): string {
  if (!/^[a-z0-9][a-z0-9._@-]{0,62}$/.test(text))
    throw badValue("the user name", text, "use 1 to 63 of a-z 0-9 . _ @ -, with a letter or a digit first");
  if (RESERVED.has(text))
    throw badValue("the user name", text, "it is taken by a file of the tool; choose another name");
  return text;
}

/** Roles, each given once however often it was said. */
export function parseRoles(texts: readonly string[]): Role[] {
  for (const text of texts)
    if (!ROLES.some((role) => role === text)) throw badValue("the role", text, `use one of ${ROLES.join(", ")}`);
  if (texts.length === 0)
    throw new CertError("badValue", {
      detail: "no role was given",
      hint: `add --role with one of ${ROLES.join(", ")}`,
    });
  return ROLES.filter((role) => texts.includes(role));
}

/** RFC 1123 labels; a wildcard may stand for the first one (RFC 6125, 6.4.3). */
const DNS_NAME = /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** A DNS name or an IP address for the certificate of a server. */
export function parseSan(text: string): San {
  const value = text.toLowerCase();
  if (isIP(value) === 4) return { type: "ip", value };
  // One spelling for each address (RFC 5952), so that none is named twice.
  if (isIP(value) === 6 && !value.includes("%"))
    return { type: "ip", value: new URL(`http://[${value}]`).hostname.slice(1, -1) };
  // A name of digits and dots that is no address would never match: RFC 1123, 2.1.
  if (value.length <= 253 && DNS_NAME.test(value) && !/^[0-9.]+$/.test(value)) return { type: "dns", value };
  throw badValue("the name", text, "use a DNS name (other scripts as xn--…) or an IP address without a zone");
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

/** A lifetime such as `90d` in seconds. */
export function parseTtl(text: string): number {
  const match = /^([1-9][0-9]{0,8})([smhdwy])$/.exec(text);
  const seconds = Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? Number.NaN);
  if (!(seconds <= 100 * 31_536_000))
    throw badValue("the lifetime", text, "use a number and one of s m h d w y: 90d, 12h");
  return seconds;
}

/** A number of days as a lifetime in seconds. */
export function parseDays(text: string): number {
  if (!/^[1-9][0-9]{0,4}$/.test(text)) throw badValue("the number of days", text, "use a whole number: 365");
  return parseTtl(`${text}d`);
}

/** The port of a server that is named without one, as the command line's `--host` has it. */
const DEFAULT_PORT = "6443";

/** The address of a server, and the name in it that its certificate must carry. */
export function parseServer(text: string): { readonly url: string; readonly san: San } {
  const hint = "use https://HOST[:PORT], nothing else: https://localhost:6443";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    !url ||
    url.protocol !== "https:" ||
    url.username ||
    url.password ||
    url.search ||
    url.hash ||
    url.pathname !== "/"
  )
    throw badValue("the server", text, hint);
  // The address of the URL standard hides 443; what was written decides.
  const port = url.port || (/:443\/?$/.test(text) ? "443" : DEFAULT_PORT);
  return { url: `https://${url.hostname}:${port}`, san: parseSan(url.hostname.replace(/^\[|\]$/g, "")) };
}

/** A SHA-256 fingerprint as 64 small hex digits, from any of the usual spellings; undefined if it is none. */
export function parseFingerprint(text: string): string | undefined {
  const digits = text.replaceAll(":", "").toLowerCase();
  return /^[0-9a-f]{64}$/.test(digits) ? digits : undefined;
}
