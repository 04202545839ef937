import { CertError } from "./errors.ts";
import { parseSan, type Role, type San } from "./values.ts";

/** What a certificate is for. */
export type Kind = "ca" | "server" | "client";

/** All that a certificate says besides its key, its serial and its dates. */
export interface Profile {
  readonly kind: Kind;
  /** One attribute a set, in the order of RFC 4514 read backwards: O first, CN last, as Kubernetes writes them. */
  readonly subject: readonly { readonly type: "O" | "CN"; readonly value: string }[];
  readonly sans: readonly San[];
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength?: number };
  readonly keyUsage: readonly ("digitalSignature" | "keyCertSign" | "cRLSign")[];
  readonly extKeyUsage: readonly ("serverAuth" | "clientAuth")[];
}

const DAY = 86_400;

/**
 * Lifetimes in seconds. A CA lives as long as the host it is for. 397 days is what browsers accept of a server
 * (CA/Browser Forum Baseline Requirements 6.3.2) and 825 the most that Apple's systems accept of one from a private CA
 * (support.apple.com/103769). Clients are short, because a forgotten key is the likeliest leak; the first user's is
 * a year, so that the owner of the host is not locked out by a holiday.
 */
export const LIFETIME = {
  ca: 3650 * DAY,
  server: 397 * DAY,
  serverMost: 825 * DAY,
  client: 90 * DAY,
  firstUser: 365 * DAY,
} as const;

/** RFC 5280, appendix A.1: ub-common-name is 64 characters. */
function commonName(text: string): string {
  return text.slice(0, 64);
}

/** A CA that signs leaves only (pathlen 0). */
export function caProfile(hostname: string): Profile {
  return {
    kind: "ca",
    subject: [{ type: "CN", value: commonName(`tele CA of ${hostname}`) }],
    sans: [],
    basicConstraints: { ca: true, pathLength: 0 },
    keyUsage: ["keyCertSign", "cRLSign"],
    extKeyUsage: [],
  };
}

/** A server's certificate: it has no O, so that it could not act in any role even if it were taken for a client's. */
export function serverProfile(hostname: string, sans: readonly San[]): Profile {
  return {
    kind: "server",
    subject: [{ type: "CN", value: commonName(hostname) }],
    sans,
    basicConstraints: { ca: false },
    // An EC key of TLS 1.3 only signs (RFC 8446, 4.4.3): no keyEncipherment, no keyAgreement.
    keyUsage: ["digitalSignature"],
    extKeyUsage: ["serverAuth"],
  };
}

/** A user's certificate, as Kubernetes reads it: CN is the user, each O a role. */
export function clientProfile(user: string, roles: readonly Role[]): Profile {
  return {
    kind: "client",
    subject: [...roles.map((role) => ({ type: "O" as const, value: role })), { type: "CN", value: user }],
    sans: [],
    basicConstraints: { ca: false },
    keyUsage: ["digitalSignature"],
    extKeyUsage: ["clientAuth"],
  };
}

/** One of the host's addresses, as `os.networkInterfaces()` tells them. */
export interface HostAddress {
  readonly address: string;
  readonly internal: boolean;
}

/** The names a server certificate is valid for: loopback, the host's own, then what was asked for; each once. */
export function serverNames(hostname: string, addresses: readonly HostAddress[], asked: readonly San[]): San[] {
  const names = ["localhost", "127.0.0.1", "::1"].map(parseSan);
  try {
    names.push(parseSan(hostname));
  } catch {
    // A host's name may have characters that no DNS name has (hostname(7) does not forbid them): nobody can dial it.
  }
  // Link-local addresses need a zone, and a zone has no place in a certificate (RFC 5280, 4.2.1.6).
  for (const { address, internal } of addresses)
    if (!internal && !/^fe[89ab]/i.test(address)) names.push(parseSan(address));
  const seen = new Set<string>();
  return [...names, ...asked].filter(({ value }) => !seen.has(value) && seen.add(value));
}

/** From when until when, to the second. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const BACKDATE = 5 * 60;

/**
 * The dates of a certificate made now. It is valid five minutes back, for clients whose clock is late. What ends the
 * authority ends its certificates: a lifetime that was asked for and passes that end is refused, a default is cut.
 */
export function validity(
  now: Date,
  seconds: number,
  end?: { readonly notAfter: Date; readonly asked: boolean },
): Validity {
  const start = Math.floor(now.getTime() / 1000);
  const notBefore = new Date((start - BACKDATE) * 1000);
  const notAfter = new Date((start + seconds) * 1000);
  if (!end || notAfter <= end.notAfter) return { notBefore, notAfter };
  if (end.notAfter <= now)
    throw new CertError("authorityEnded", {
      detail: `the certificate authority expired on ${end.notAfter.toISOString()}`,
      hint: "tele cert init --force makes a new one; then issue every certificate again",
    });
  if (!end.asked) return { notBefore, notAfter: end.notAfter };
  const days = Math.floor((end.notAfter.getTime() / 1000 - start) / DAY);
  throw new CertError("badValue", {
    detail: `the lifetime passes the end of the certificate authority, ${end.notAfter.toISOString()}`,
    hint: `ask for ${days} days at most`,
  });
}
