import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { basename } from "node:path";
import { CertError, corrupt, errnoOf } from "./errors.ts";
import { pathsOf, pemBlock, readIfThere, readSecret } from "./files.ts";
import { finishInit } from "./staging.ts";
import { parseRevoked, type RevokedList } from "./revoked.ts";

/** How a file of ours that is broken is replaced. */
function remedy(path: string): string {
  const file = basename(path);
  if (file === "server.pem") return "tele cert renew server";
  if (file.startsWith("ca."))
    return `restore ${file} from a copy, or make a new authority with: tele cert init --force`;
  return `tele cert renew ${basename(path, ".pem")}`;
}

/** Reads a certificate out of a PEM text. */
export function parseCertificate(text: string, path: string): X509Certificate {
  const block = pemBlock(text, "CERTIFICATE", path);
  try {
    return new X509Certificate(block);
  } catch (error) {
    throw corrupt(path, `has no certificate that can be read (${errnoOf(error) || "broken PEM"})`, remedy(path));
  }
}

function parseKey(text: string, path: string): KeyObject {
  const block = pemBlock(text, "PRIVATE KEY", path);
  try {
    return createPrivateKey(block);
  } catch (error) {
    throw corrupt(path, `has no key that can be read (${errnoOf(error) || "broken PEM"})`, remedy(path));
  }
}

/** A key with the certificate it belongs to. */
export interface Pair {
  /** The text of both, as `key` and as `cert` of a TLS context. */
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

function pair(pem: string, certificate: X509Certificate, key: KeyObject, path: string): Pair {
  if (!certificate.checkPrivateKey(key))
    throw corrupt(path, "its key and its certificate do not belong together", remedy(path));
  return { pem, certificate, key };
}

/** Reads a file with a key and a certificate, and checks that they belong together. */
export function loadPair(path: string): Pair {
  const pem = readSecret(path);
  return pair(pem, parseCertificate(pem, path), parseKey(pem, path), path);
}

/** Reads the authority's certificate; `noAuthority` if there is none. */
export function loadAuthorityCertificate(dir: string): { readonly pem: string; readonly certificate: X509Certificate } {
  finishInit(dir);
  const { ca } = pathsOf(dir);
  const pem = readIfThere(ca);
  if (pem === undefined)
    throw new CertError("noAuthority", {
      detail: `there is no certificate authority in ${dir}`,
      hint: "make one with: tele cert init",
      path: ca,
    });
  return { pem, certificate: parseCertificate(pem, ca) };
}

/** Reads the authority with its key, and checks that they belong together and can sign here. */
export function loadAuthority(dir: string): Pair {
  const { pem, certificate } = loadAuthorityCertificate(dir);
  const { caKey } = pathsOf(dir);
  const key = parseKey(readSecret(caKey), caKey);
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "secp384r1")
    throw corrupt(caKey, "is not a P-384 key", remedy(caKey));
  return pair(pem, certificate, key, caKey);
}

/** What a server needs to listen. */
export interface ServerIdentity {
  /** Key and certificate in one text: give it as `key` and as `cert`. */
  readonly pem: string;
  /** The authority that clients must come from, as PEM. */
  readonly ca: string;
  readonly certificate: X509Certificate;
  readonly revoked: RevokedList;
  /** The files it was read from, to be watched through their folder. */
  readonly files: { readonly server: string; readonly ca: string; readonly revoked: string };
}

/** Reads what a server needs from the folder of certificates; each fault names the file and the command that mends it. */
export function loadServer(dir: string): ServerIdentity {
  const authority = loadAuthorityCertificate(dir);
  const { server, ca, revoked } = pathsOf(dir);
  const { pem, certificate } = loadPair(server);
  if (!certificate.checkIssued(authority.certificate) || !certificate.verify(authority.certificate.publicKey))
    throw corrupt(server, "is not from the authority in ca.crt", remedy(server));
  return { pem, ca: authority.pem, certificate, revoked: loadRevoked(revoked), files: { server, ca, revoked } };
}

/** Reads the list of revoked certificates; one that is not there is empty. */
export function loadRevoked(path: string): RevokedList {
  return parseRevoked(readIfThere(path) ?? "", path);
}
