/** The files that TLS is made of, and their renewal under a running server. */
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync, watch, type FSWatcher } from "node:fs";
import { dirname } from "node:path";
import { createSecureContext } from "node:tls";
import { TeleError } from "#errors";
import { HINTS } from "#hints";
import { loadRevocations, type IsRevoked } from "./revocations.ts";

/** Where the files are. */
export interface CredentialPaths {
  /** Key, certificate and what chains it to the authority, in one file that is replaced by a rename. */
  readonly server: string;
  /** Certificate of the authority that signs clients. */
  readonly ca: string;
  /** Fingerprints of revoked certificates; it need not be there. */
  readonly revoked: string;
}

/** What the files say. */
export interface Credentials {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  /** When the server certificate ends, milliseconds since the epoch. */
  readonly notAfter: number;
}

/** Reads and proves the server's files; throws FAILED_PRECONDITION that names the file at fault. */
export function loadCredentials({ server, ca }: CredentialPaths): Credentials {
  const pem = readPem(server);
  const authority = readPem(ca);
  const blocks = pem.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----\r?\n?/g) ?? [];
  const key = blocks.find((block) => block.includes("PRIVATE KEY-----"));
  const cert = blocks.filter((block) => block.startsWith("-----BEGIN CERTIFICATE-----")).join("");
  if (key === undefined) throw broken(server, "holds no private key");
  if (cert === "") throw broken(server, "holds no certificate");
  try {
    createSecureContext({ key, cert, ca: authority });
    return { key, cert, ca: authority, notAfter: Date.parse(new X509Certificate(cert).validTo) };
  } catch (error) {
    throw broken(server, `cannot be used: ${(error as Error).message}`, error);
  }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw broken(path, `cannot be read: ${(error as NodeJS.ErrnoException).code}`, error);
  }
}

function broken(path: string, what: string, cause?: unknown): TeleError {
  return new TeleError("FAILED_PRECONDITION", { detail: `${path} ${what}`, hint: HINTS.makeCertificates }, { cause });
}

/** What becomes of a change. */
export interface Renewal {
  readonly onCredentials: (credentials: Credentials) => void;
  readonly onRevocations: (isRevoked: IsRevoked) => void;
  /** A change that cannot be used: what was in force stays in force. */
  readonly onFault: (error: TeleError) => void;
}

/** How often the files are looked at in any case: fs.watch is silent on some file systems, and when its folder is replaced. */
const POLL_MS = 2000;
/** A burst of changes is one change. */
const SETTLE_MS = 20;

/** Calls back when one of the files has changed; returns how to stop. */
export function watchCredentials(paths: CredentialPaths, renewal: Renewal): () => void {
  let tls = stamp(paths.server) + stamp(paths.ca);
  let revoked = stamp(paths.revoked);
  let settling: NodeJS.Timeout | undefined;

  function look(): void {
    settling = undefined;
    const tlsNow = stamp(paths.server) + stamp(paths.ca);
    const revokedNow = stamp(paths.revoked);
    if (revokedNow !== revoked) {
      revoked = revokedNow;
      guarded(() => renewal.onRevocations(loadRevocations(paths.revoked)));
    }
    if (tlsNow !== tls) {
      tls = tlsNow;
      guarded(() => renewal.onCredentials(loadCredentials(paths)));
    }
  }

  function guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof TeleError)) throw error;
      renewal.onFault(error);
    }
  }

  const lookSoon = (): void => {
    settling ??= setTimeout(look, SETTLE_MS);
  };
  const folders = new Set([paths.server, paths.ca, paths.revoked].map((path) => dirname(path)));
  const watchers: FSWatcher[] = [];
  for (const folder of folders) {
    try {
      // The folder, since a rename puts another inode in the file's place. Errors leave us with the polling below.
      watchers.push(watch(folder, { persistent: false }, lookSoon).on("error", () => {}));
    } catch {}
  }
  const poll = setInterval(look, POLL_MS);
  poll.unref();
  return () => {
    clearTimeout(settling);
    clearInterval(poll);
    for (const watcher of watchers) watcher.close();
  };
}

/** Tells one version of a file from the next. */
function stamp(path: string): string {
  const { ino, size, mtimeNs } = statSync(path, { throwIfNoEntry: false, bigint: true }) ?? {};
  return `${ino}:${size}:${mtimeNs} `;
}
