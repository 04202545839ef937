/** Why a connection did not come about, said so that one can mend it: which side, which certificate, what to do. */
import type { ResolvedContext } from "#certs/context.ts";
import { type Code, TeleError } from "#errors";
import { HINTS } from "#hints";
import type { Credentials } from "./client.ts";

interface Verdict {
  readonly code: Code;
  readonly detail: string;
  readonly hint: string;
}

const LOCAL = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Turns what a transport threw into a TeleError; where it does not tell enough, looks at the certificates and knocks again. */
export async function connectionError(
  error: unknown,
  context: ResolvedContext,
  credentials: Credentials,
): Promise<TeleError> {
  if (error instanceof TeleError) return error;
  const errno = codeOf(error);
  const verdict =
    network(errno, error, context.server) ??
    tls(errno, context) ??
    (await ownFault(context, credentials)) ??
    (await knock(context, credentials)) ??
    ({
      code: "UNAVAILABLE",
      detail: `the connection to ${hostOf(context.server)} broke: ${error instanceof Error ? error.message : String(error)}`,
      hint: "try again; if it stays, look at what `tele serve` prints",
    } as const);
  const { code, ...fields } = verdict;
  return new TeleError(code, errno === "" ? fields : { ...fields, errno }, { cause: error });
}

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (name === "TimeoutError") return "ETIMEDOUT";
  return typeof code === "string" ? code : "";
}

function hostOf(server: string): string {
  return new URL(server).host;
}

function network(errno: string, error: unknown, server: string): Verdict | undefined {
  const { hostname, host } = new URL(server);
  const code = "UNAVAILABLE";
  switch (errno) {
    case "ECONNREFUSED":
      return {
        code,
        detail: `no server at ${host}`,
        hint: LOCAL.has(hostname) ? HINTS.startServer : HINTS.otherServer,
      };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return { code, detail: `no host is known as ${hostname}`, hint: "check the name in --host or $TELE_HOST" };
    case "ETIMEDOUT":
      return { code, detail: `${host} did not answer in time`, hint: HINTS.otherServer };
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return { code, detail: `${host} cannot be reached: ${errno}`, hint: HINTS.otherServer };
    default:
      return undefined;
  }
}

/** What OpenSSL and BoringSSL call the reasons. */
function tls(errno: string, context: ResolvedContext): Verdict | undefined {
  const host = hostOf(context.server);
  const code = "UNAUTHENTICATED";
  if (
    /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_SIGNATURE_FAILURE|CERT_UNTRUSTED|INVALID_CA|UNKNOWN_ISSUER/.test(
      errno,
    )
  ) {
    return {
      code,
      detail: `the server at ${host} shows a certificate that was not made by the authority ${context.ca}`,
      hint: `it may be another server: check --host and --context (in use: ${context.name})`,
    };
  }
  if (errno === "CERT_HAS_EXPIRED") {
    return {
      code,
      detail: `the certificate of the server at ${host} has expired`,
      hint: "on the server, run: tele cert renew",
    };
  }
  if (errno === "CERT_NOT_YET_VALID") {
    return {
      code,
      detail: `the certificate of the server at ${host} is not valid yet`,
      hint: "compare the clocks of both hosts",
    };
  }
  if (errno === "ERR_TLS_CERT_ALTNAME_INVALID" || errno === "HOSTNAME_MISMATCH") {
    return {
      code,
      detail: `the certificate of the server at ${host} is not for that name`,
      hint: `use a name it is for, or, on the server: tele cert init --san ${new URL(context.server).hostname}`,
    };
  }
  if (/ALERT_|CERTIFICATE_REQUIRED/.test(errno) && !/HANDSHAKE_FAILURE|PROTOCOL_VERSION/.test(errno))
    return refused(context);
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST/.test(errno)) {
    return { code: "UNAVAILABLE", detail: `what listens at ${host} does not speak TLS`, hint: HINTS.otherServer };
  }
  if (/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/.test(errno)) {
    return { code: "UNAVAILABLE", detail: `what listens at ${host} does not speak TLS 1.3`, hint: HINTS.otherServer };
  }
  return undefined;
}

function refused(context: ResolvedContext): Verdict {
  return {
    code: "UNAUTHENTICATED",
    detail: `the server at ${hostOf(context.server)} refused the client certificate ${context.cert}`,
    hint: "it may be revoked or of another authority: see `tele cert show`, or use --context",
  };
}

/** Faults of our own files, which the other side's alert does not name. */
async function ownFault(context: ResolvedContext, credentials: Credentials): Promise<Verdict | undefined> {
  const { createPrivateKey, X509Certificate } = await import("node:crypto");
  const code = "UNAUTHENTICATED";
  const bad = (what: string, path: string): Verdict => ({
    code,
    detail: `${path} is no ${what}`,
    hint: HINTS.makeCertificates,
  });
  const parse = <T>(make: () => T): T | undefined => {
    try {
      return make();
    } catch {
      return undefined;
    }
  };
  const ca = parse(() => new X509Certificate(credentials.ca));
  if (!ca) return bad("certificate", context.ca);
  const cert = parse(() => new X509Certificate(credentials.cert));
  if (!cert) return bad("certificate", context.cert);
  const key = parse(() => createPrivateKey(credentials.key));
  if (!key) return bad("private key", context.key);
  if (!cert.checkPrivateKey(key)) {
    return { code, detail: `the key ${context.key} is not that of ${context.cert}`, hint: HINTS.makeCertificates };
  }
  const now = Date.now();
  if (Date.parse(cert.validTo) < now) {
    return {
      code,
      detail: `the client certificate ${context.cert} expired on ${cert.validTo}`,
      hint: "renew it with: tele cert renew",
    };
  }
  if (Date.parse(cert.validFrom) > now) {
    return {
      code,
      detail: `the client certificate ${context.cert} is not valid before ${cert.validFrom}`,
      hint: "check this host's clock",
    };
  }
  return undefined;
}

/** Opens a TLS connection of its own and sees how it ends: node:tls names reasons that fetch keeps to itself. */
async function knock(context: ResolvedContext, credentials: Credentials): Promise<Verdict | undefined> {
  const { connect } = await import("node:tls");
  const { hostname, port } = new URL(context.server);
  const host = hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    let secure = false;
    const socket = connect({ host, port: Number(port || 443), ...credentials, minVersion: "TLSv1.3" });
    const done = (verdict?: Verdict): void => {
      socket.destroy();
      resolve(verdict);
    };
    socket.setTimeout(2000, () => done());
    // In TLS 1.3 the server judges our certificate after our handshake is over: its answer comes as an alert or an end.
    socket.on("secureConnect", () => {
      secure = true;
      socket.setTimeout(500, () => done());
      socket.write("GET /healthz HTTP/1.1\r\nhost: tele\r\nconnection: close\r\n\r\n");
    });
    socket.on("data", () => done());
    socket.on("error", (error) => {
      const errno = codeOf(error);
      done(network(errno, error, context.server) ?? tls(errno, context) ?? (secure ? refused(context) : undefined));
    });
    socket.on("close", () => done(secure ? refused(context) : undefined));
  });
}
