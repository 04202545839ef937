import { hostname, networkInterfaces } from "node:os";
import { parseContexts, resolveContext, withContext, type Context, type ResolvedContext } from "./context.ts";
import { badValue, CertError } from "./errors.ts";
import { clientFile, existsError, pathsOf, readIfThere, readText } from "./files.ts";
import { formatIssued, parseIssued, type IssuedRecord } from "./issued.ts";
import { caProfile, clientProfile, LIFETIME, serverNames, serverProfile, validity } from "./profiles.ts";
import { REVOKED_HEADER } from "./revoked.ts";
import { finishInit, stageInit } from "./staging.ts";
import { parseDays, parseSan, parseServer, parseUser } from "./values.ts";

/** Where `tele serve` listens unless it is told otherwise. */
export const DEFAULT_SERVER = "https://localhost:6443";

/** What `tele cert init` may be told; texts are checked here. */
export interface InitOptions {
  readonly dir: string;
  readonly user?: string | undefined;
  /** More names and addresses of the server. */
  readonly sans?: readonly string[];
  readonly server?: string | undefined;
  readonly context?: string | undefined;
  /** Lifetime of the server's and the user's certificate. */
  readonly days?: string | undefined;
  readonly force?: boolean | undefined;
  readonly now?: Date;
}

/** What there is after `tele cert init`. */
export interface InitResult {
  readonly dir: string;
  /** An earlier `init` had been killed, and this one finished it instead of making another. */
  readonly finished: boolean;
  readonly authority: IssuedRecord;
  readonly server: IssuedRecord;
  readonly client: IssuedRecord;
  readonly context: ResolvedContext;
}

/** A server's lifetime in seconds, from a text or the default. */
export function serverLifetime(seconds: number | undefined): number {
  if (seconds !== undefined && seconds > LIFETIME.serverMost)
    throw new CertError("badValue", {
      detail: "the lifetime of the server's certificate is more than 825 days",
      hint: "ask for 825 days at most: some clients refuse longer ones, and tele cert renew server takes a second",
    });
  return seconds ?? LIFETIME.server;
}

/** The host's addresses, as the kernel knows them now. */
export function hostAddresses(): { address: string; internal: boolean }[] {
  return Object.values(networkInterfaces()).flatMap((list) => list ?? []);
}

function parseContextName(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/.test(text))
    throw badValue("the context's name", text, "use 1 to 63 letters, digits, . _ @ -, with a letter or a digit first");
  return text;
}

/** Refuses to replace what is there, before anything is made. */
function refuseOld(dir: string, user: string, name: string, context: Context): void {
  const { ca, caKey, server, issued, config } = pathsOf(dir);
  for (const path of [ca, caKey, server, issued, clientFile(dir, user)])
    if (readIfThere(path) !== undefined) throw existsError(path);
  const text = readIfThere(config);
  const contexts = text === undefined ? {} : parseContexts(text, config).contexts;
  const old = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (old && JSON.stringify(old) !== JSON.stringify(context))
    throw new CertError("contextTaken", {
      detail: `the context ${JSON.stringify(name)} is there already and leads to ${old.server}`,
      hint: "choose another name with --context, or add --force to replace it",
      path: config,
    });
}

/** The newest authority, server, first user and context of a folder. */
function describe(dir: string, finished: boolean): InitResult {
  const { issued, config } = pathsOf(dir);
  const records = parseIssued(readText(issued), issued);
  const first = (kind: IssuedRecord["kind"]): IssuedRecord => {
    const record = records.find((item) => item.kind === kind);
    if (!record)
      throw new CertError("corrupt", {
        detail: `${issued}: has no ${kind}`,
        hint: "tele cert init --force",
        path: issued,
      });
    return record;
  };
  const context = resolveContext(parseContexts(readText(config), config), dir);
  return { dir, finished, authority: first("ca"), server: first("server"), client: first("client"), context };
}

/**
 * Makes an authority, a server's certificate, a user's with the role admin, and the context that uses them: all or
 * nothing. Nothing is replaced without `force`; one that was killed is finished.
 */
export async function init(options: InitOptions): Promise<InitResult> {
  const { dir, force = false, now = new Date() } = options;
  const user = parseUser(options.user ?? "admin");
  const server = parseServer(options.server ?? DEFAULT_SERVER);
  const asked = [...(options.sans ?? []).map(parseSan), server.san];
  const days = options.days === undefined ? undefined : parseDays(options.days);
  const seconds = serverLifetime(days);
  const name = parseContextName(options.context ?? "default");
  const pem = `clients/${user}.pem`;
  const context: Context = { server: server.url, ca: "ca.crt", cert: pem, key: pem };
  const { config } = pathsOf(dir);

  if (finishInit(dir) && !force) return describe(dir, true);
  if (!force) refuseOld(dir, user, name, context);
  const contexts = withContext(readIfThere(config), config, name, context);

  const { issue } = await import("./issue.ts");
  const host = hostname();
  const ca = await issue(caProfile(host), "ca", validity(now, LIFETIME.ca));
  const sans = serverNames(host, hostAddresses(), asked);
  const own = await issue(serverProfile(host, sans), "server", validity(now, seconds), ca.signer);
  const dates = validity(now, days ?? LIFETIME.firstUser);
  const client = await issue(clientProfile(user, ["admin"]), user, dates, ca.signer);
  stageInit(dir, {
    user,
    replace: force,
    ca: ca.certPem,
    caKey: ca.keyPem,
    server: own.keyPem + own.certPem,
    client: client.keyPem + client.certPem,
    issued: [ca, own, client].map(({ record }) => formatIssued(record)).join(""),
    revoked: REVOKED_HEADER,
    config: contexts,
  });
  finishInit(dir);
  return describe(dir, false);
}
