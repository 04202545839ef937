/** Who a client certificate says its holder is: CN is the user, each O a role, as in Kubernetes. */
import type { PeerCertificate } from "node:tls";
import { TeleError } from "#errors";

/** The roles there are; an O that is none of them counts for nothing. */
export const ROLES = ["admin", "operator", "viewer"] as const;
export type Role = (typeof ROLES)[number];

/** A caller, as authorization and the audit log see him. */
export interface Identity {
  readonly user: string;
  readonly roles: readonly Role[];
  /** SHA-256 of the certificate, 64 small hex digits. */
  readonly fingerprint: string;
}

/** What a certificate has to say, read once per connection. */
export interface Peer {
  readonly identity: Identity;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Whether its extended key usage allows to be a TLS client. */
  readonly clientAuth: boolean;
}

/** id-kp-clientAuth, RFC 5280 section 4.2.1.12. */
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
/** The same, and the id of the extension that lists it, as they stand in a certificate (DER). */
const CLIENT_AUTH_DER = Buffer.from("06082b06010505070302", "hex");
const EXTENDED_KEY_USAGE_DER = Buffer.from("0603551d25", "hex");

/** Reads the certificate that TLS has verified; undefined when there is none or it names no single user. */
export function readPeer(certificate: PeerCertificate | undefined): Peer | undefined {
  // TLS stacks show an empty object when there is no certificate. Neither subject is a string when it is repeated.
  const user: unknown = certificate?.subject?.CN;
  if (!certificate?.fingerprint256 || typeof user !== "string" || user === "" || user.length > 255) return undefined;
  const organizations: unknown = certificate.subject.O ?? [];
  const named: readonly unknown[] = Array.isArray(organizations) ? organizations : [organizations];
  return {
    identity: {
      user,
      roles: ROLES.filter((role) => named.includes(role)),
      fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    },
    notBefore: Date.parse(certificate.valid_from),
    notAfter: Date.parse(certificate.valid_to),
    clientAuth: isForClients(certificate),
  };
}

function isForClients({ ext_key_usage: usage, raw }: PeerCertificate): boolean {
  if (usage) return usage.includes(CLIENT_AUTH);
  // Deno 2.9 does not list the purposes. Its TLS checks them as all others do; this is the second look.
  const bytes = Buffer.from(raw ?? []);
  const at = bytes.indexOf(EXTENDED_KEY_USAGE_DER);
  return at !== -1 && bytes.includes(CLIENT_AUTH_DER, at);
}

/**
 * Why this peer may not speak now, or undefined. Asked at each request, because TLS looks only once: a connection may
 * outlive its certificate, and a resumed session (RFC 8446 section 2.2) never shows the certificate again.
 */
export function refusal(
  peer: Peer | undefined,
  now: number,
  isRevoked: (fingerprint: string) => boolean,
): TeleError | undefined {
  if (!peer) return refuse("the certificate names no user", "use one made with: tele cert issue NAME --role operator");
  const { user, fingerprint } = peer.identity;
  if (isRevoked(fingerprint)) return refuse(`the certificate of ${user} is revoked`, "ask for a new one");
  // Written so that a date which cannot be read (NaN) refuses.
  if (!(now >= peer.notBefore)) return refuse(`the certificate of ${user} is not valid yet`, "check both clocks");
  if (!(now <= peer.notAfter))
    return refuse(`the certificate of ${user} has expired`, `renew it with: tele cert renew ${user}`);
  if (!peer.clientAuth) return refuse(`the certificate of ${user} is not for clients`, "use a client certificate");
  return undefined;
}

function refuse(detail: string, hint: string): TeleError {
  return new TeleError("UNAUTHENTICATED", { detail, hint });
}
