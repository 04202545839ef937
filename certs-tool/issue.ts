import { createHash, type KeyObject } from "node:crypto";
import type * as X509 from "@peculiar/x509";
import type { IssuedRecord } from "./issued.ts";
import type { Profile, Validity } from "./profiles.ts";
import { type Library, loadX509 } from "./x509.ts";

const { subtle } = globalThis.crypto;
const CURVE = { name: "ECDSA", namedCurve: "P-384" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-384" };

/** Who signs. */
export interface Signer {
  readonly certificate: X509.X509Certificate;
  readonly key: CryptoKey;
}

/** A new certificate with its key. */
export interface Issued {
  readonly record: IssuedRecord;
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
  readonly signer: Signer;
}

/**
 * A serial of 16 octets, as 32 small hex digits. Its first bit is 0, for a serial is positive (RFC 5280, 4.1.2.2), and
 * its second is 1, so that its length never varies; the other 126 are random.
 */
export function randomSerial(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

async function extensionsOf(
  x509: Library,
  profile: Profile,
  subjectKey: CryptoKey,
  issuerKey: X509.PublicKeyType,
): Promise<X509.Extension[]> {
  const { ca, pathLength } = profile.basicConstraints;
  const flags = profile.keyUsage.reduce((sum, name): number => sum | x509.KeyUsageFlags[name], 0);
  const sans = profile.sans.map(({ type, value }) => ({ type, value }));
  return [
    new x509.BasicConstraintsExtension(ca, pathLength, true),
    // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- a set of flags is the sum of its members
    new x509.KeyUsagesExtension(flags, true),
    ...(profile.extKeyUsage.length > 0
      ? [new x509.ExtendedKeyUsageExtension(profile.extKeyUsage.map((name) => x509.ExtendedKeyUsage[name]))]
      : []),
    ...(sans.length > 0 ? [new x509.SubjectAlternativeNameExtension(sans)] : []),
    await x509.SubjectKeyIdentifierExtension.create(subjectKey),
    await x509.AuthorityKeyIdentifierExtension.create(issuerKey),
  ];
}

function recordOf(profile: Profile, name: string, serial: string, certificate: X509.X509Certificate): IssuedRecord {
  return {
    kind: profile.kind,
    name,
    roles: profile.subject.filter(({ type }) => type === "O").map(({ value }) => value),
    sans: profile.sans.map(({ value }) => value),
    serial,
    fingerprint: createHash("sha256").update(new Uint8Array(certificate.rawData)).digest("hex"),
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
  };
}

/** Makes a P-384 key and its certificate, signed with SHA-384 by `signer`, or by itself when there is none. */
export async function issue(profile: Profile, name: string, dates: Validity, signer?: Signer): Promise<Issued> {
  const x509 = await loadX509();
  const keys = await subtle.generateKey(CURVE, true, ["sign", "verify"]);
  const subject = new x509.Name(profile.subject.map(({ type, value }) => ({ [type]: [value] })));
  const serial = randomSerial();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject,
    issuer: signer ? signer.certificate.subjectName : subject,
    notBefore: dates.notBefore,
    notAfter: dates.notAfter,
    publicKey: keys.publicKey,
    signingKey: signer ? signer.key : keys.privateKey,
    signingAlgorithm: SIGNATURE,
    extensions: await extensionsOf(
      x509,
      profile,
      keys.publicKey,
      signer ? signer.certificate.publicKey : keys.publicKey,
    ),
  });
  const pkcs8 = await subtle.exportKey("pkcs8", keys.privateKey);
  return {
    record: recordOf(profile, name, serial, certificate),
    certPem: `${certificate.toString("pem")}\n`,
    keyPem: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
    signer: { certificate, key: keys.privateKey },
  };
}

/** An authority that was read from its files, as one that signs. */
export async function signerOf(pem: string, key: KeyObject): Promise<Signer> {
  const x509 = await loadX509();
  const pkcs8 = new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  return {
    certificate: new x509.X509Certificate(pem),
    key: await subtle.importKey("pkcs8", pkcs8, CURVE, false, ["sign"]),
  };
}
