import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { parseContexts, withContext } from "./context.ts";
import { badValue, CertError } from "./errors.ts";
import { appendLines, clientFile, ensureFolder, existsError, pathsOf, readIfThere, writeAtomic } from "./files.ts";
import { DEFAULT_SERVER, serverLifetime } from "./init.ts";
import type { Issued } from "./issue.ts";
import { formatIssued, parseIssued, selectRecords, stateOf, type IssuedRecord, type State } from "./issued.ts";
import { loadAuthority, loadAuthorityCertificate, loadPair, loadRevoked } from "./load.ts";
import { clientProfile, LIFETIME, serverNames, serverProfile, validity, type Profile } from "./profiles.ts";
import { findRevoked, type RevokedEntry } from "./revoked.ts";
import { parseFingerprint, parseRoles, parseSan, parseServer, parseTtl, parseUser } from "./values.ts";

/** The index and the list of revoked certificates; `noAuthority` if there is no authority. */
export function loadIndex(dir: string): {
  readonly records: IssuedRecord[];
  readonly revoked: ReturnType<typeof loadRevoked>;
} {
  loadAuthorityCertificate(dir);
  const paths = pathsOf(dir);
  return { records: parseIssued(readIfThere(paths.issued) ?? "", paths.issued), revoked: loadRevoked(paths.revoked) };
}

/** Signs with the authority of `dir`, and enters it into the index before anybody has it, so that it can be revoked. */
async function sign(
  dir: string,
  profile: Profile,
  name: string,
  seconds: number,
  asked: boolean,
  now: Date,
): Promise<Issued> {
  const authority = loadAuthority(dir);
  const dates = validity(now, seconds, { notAfter: new Date(authority.certificate.validTo), asked });
  const { issue, signerOf } = await import("./issue.ts");
  const made = await issue(profile, name, dates, await signerOf(authority.pem, authority.key));
  appendLines(pathsOf(dir).issued, formatIssued(made.record), 0o600);
  return made;
}

/** Where the server of the current context is. */
export function serverAddress(dir: string): string {
  const { config } = pathsOf(dir);
  const text = readIfThere(config);
  const contexts = text === undefined ? undefined : parseContexts(text, config);
  return contexts?.contexts[contexts.current]?.server ?? DEFAULT_SERVER;
}

/** What `issue` may be told; texts are checked there. */
export interface IssueOptions {
  readonly dir: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly ttl?: string | undefined;
  /** A folder to hand over, instead of `clients`. */
  readonly out?: string | undefined;
  /** The address in the context that is handed over. */
  readonly server?: string | undefined;
  readonly force?: boolean | undefined;
  readonly now?: Date;
}

/** A certificate that was made, and the files that were written. */
export interface IssueResult {
  readonly record: IssuedRecord;
  readonly files: readonly string[];
  /** Others of this name that servers still accept. */
  readonly others: readonly IssuedRecord[];
}

function othersOf(dir: string, record: IssuedRecord, now: Date): IssuedRecord[] {
  const { records, revoked } = loadIndex(dir);
  const same = records.filter((item) => item.kind === record.kind && item.name === record.name);
  return same.filter((item) => item.fingerprint !== record.fingerprint && stateOf(item, revoked, now) === "valid");
}

/**
 * Issues a user's certificate into `clients/NAME.pem`. With `out` it goes into a folder of its own instead, that is
 * complete: NAME.pem, ca.crt and a config.json, so that its owner needs nothing but `TELE_CONFIG_DIR`.
 */
export async function issueClient(options: IssueOptions): Promise<IssueResult> {
  const { dir, force = false, now = new Date() } = options;
  const out = options.out === undefined ? undefined : resolve(options.out);
  const name = parseUser(options.name);
  const profile = clientProfile(name, parseRoles(options.roles));
  const seconds = options.ttl === undefined ? LIFETIME.client : parseTtl(options.ttl);
  const ca = loadAuthorityCertificate(dir);
  const address = options.server === undefined ? serverAddress(dir) : parseServer(options.server).url;
  const file = out === undefined ? clientFile(dir, name) : join(out, `${name}.pem`);
  const handed = out === undefined ? [] : [join(out, "ca.crt"), join(out, "config.json")];
  for (const path of force ? [] : [file, ...handed]) if (readIfThere(path) !== undefined) throw existsError(path);
  if (out !== undefined) ensureFolder(out);

  const made = await sign(dir, profile, name, seconds, options.ttl !== undefined, now);
  writeAtomic(file, made.keyPem + made.certPem, 0o600, force);
  const [caFile, configFile] = handed;
  if (caFile !== undefined && configFile !== undefined) {
    const context = { server: address, ca: "ca.crt", cert: `${name}.pem`, key: `${name}.pem` };
    writeAtomic(caFile, ca.pem, 0o644, force);
    writeAtomic(configFile, withContext(undefined, configFile, "default", context), 0o600, force);
  }
  return { record: made.record, files: [file, ...handed], others: othersOf(dir, made.record, now) };
}

/** What `renew` may be told; texts are checked there. */
export interface RenewOptions {
  readonly dir: string;
  /** A user, or `server`. */
  readonly name: string;
  readonly ttl?: string | undefined;
  /** More names and addresses of the server; those it has stay. */
  readonly sans?: readonly string[];
  readonly now?: Date;
}

/** Makes a new key and a new certificate with the subject of the newest one of this name, and replaces its file. */
export async function renew(options: RenewOptions): Promise<IssueResult> {
  const { dir, name, now = new Date() } = options;
  const asked = (options.sans ?? []).map(parseSan);
  const ttl = options.ttl === undefined ? undefined : parseTtl(options.ttl);
  const { records, revoked } = loadIndex(dir);
  const old = selectRecords(records, name).at(-1);
  if (!old || old.kind === "ca" || old.name !== name)
    throw badValue(
      "the name",
      name,
      'use "server" or the name of a user; an authority is replaced with: tele cert init --force',
    );
  if (old.kind === "client" && asked.length > 0)
    throw badValue("--san", asked[0]?.value ?? "", "only a server has such names");
  if (revoked.has(old.fingerprint))
    throw new CertError("revoked", {
      detail: `the certificate of ${name} is revoked`,
      hint: `to let ${name} in again: tele cert issue ${name} --role ${old.roles[0] ?? "viewer"} --force`,
    });
  const isServer = old.kind === "server";
  const profile = isServer
    ? serverProfile(hostname(), serverNames(hostname(), [], [...old.sans.map(parseSan), ...asked]))
    : clientProfile(name, parseRoles(old.roles));
  const seconds = isServer ? serverLifetime(ttl) : (ttl ?? LIFETIME.client);
  const file = isServer ? pathsOf(dir).server : clientFile(dir, name);
  const made = await sign(dir, profile, name, seconds, ttl !== undefined, now);
  writeAtomic(file, made.keyPem + made.certPem, 0o600, true);
  return { record: made.record, files: [file], others: isServer ? [] : othersOf(dir, made.record, now) };
}

/** A certificate with what it is worth now. */
export interface Listed extends IssuedRecord {
  readonly state: State;
  /** Negative once it has expired. */
  readonly expiresInSeconds: number;
  readonly revoked?: RevokedEntry;
  /** The file that holds it, if that is one of ours. */
  readonly file?: string;
}

function listed(dir: string, record: IssuedRecord, revoked: ReturnType<typeof loadRevoked>, now: Date): Listed {
  const entry = findRevoked(revoked, record.fingerprint);
  const expiresInSeconds = Math.floor((Date.parse(record.notAfter) - now.getTime()) / 1000);
  return { ...record, state: stateOf(record, revoked, now), expiresInSeconds, ...(entry && { revoked: entry }) };
}

/** Every certificate of the index, oldest first. */
export function list(dir: string, now: Date = new Date()): Listed[] {
  const { records, revoked } = loadIndex(dir);
  return records.map((record) => listed(dir, record, revoked, now));
}

/** The newest certificate that `target` means, and the file that holds it, which is checked. */
export function show(dir: string, target: string, now: Date = new Date()): Listed {
  const { records, revoked } = loadIndex(dir);
  const record = selectRecords(records, target).at(-1) as IssuedRecord;
  const { ca, server } = pathsOf(dir);
  const file = record.kind === "ca" ? ca : record.kind === "server" ? server : clientFile(dir, record.name);
  const result = listed(dir, record, revoked, now);
  if (readIfThere(file) === undefined) return result;
  const { certificate } = record.kind === "ca" ? loadAuthorityCertificate(dir) : loadPair(file);
  return parseFingerprint(certificate.fingerprint256) === record.fingerprint ? { ...result, file } : result;
}
