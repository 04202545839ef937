/** The TLS listener: HTTP/2 and HTTP/1.1 on one port, for client certificates only. */
import { writeSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { TeleError } from "#errors";
import type { ApiApp } from "./app.ts";
import type { Audit } from "./audit.ts";
import type { Bindings } from "./env.ts";
import { PATIENCE, trackConnections, type Connection, type Patience } from "./connections.ts";
import { loadCredentials, watchCredentials, type CredentialPaths, type Credentials } from "./credentials.ts";
import { refusal } from "./identity.ts";
import { PROBLEM_TYPE, problemOf } from "./problem.ts";
import { breakOff, RESPONSE_ALREADY_SENT, sendProblem } from "./respond.ts";
import { loadRevocations } from "./revocations.ts";

export interface ListenOptions {
  readonly app: ApiApp;
  readonly audit: Audit;
  readonly files: CredentialPaths;
  /** Address to listen on; all of them when it is missing. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly patience?: Partial<Patience>;
  /** TLS handshakes must be done after so many milliseconds, 20,000 by default: a starved client needs them. */
  readonly handshakeTimeout?: number;
  /** What an operator should know: a renewal, or files that cannot be used. */
  readonly notice?: (notice: Notice) => void;
}

export type Notice =
  | { readonly kind: "certificate-renewed"; readonly notAfter: number }
  | { readonly kind: "revocations-read" }
  | { readonly kind: "files-unusable"; readonly error: TeleError }
  /** A fault of ours in a request; the client only heard INTERNAL. */
  | { readonly kind: "failure"; readonly error: unknown };

export interface Listener {
  readonly port: number;
  readonly address: string;
  /** Stops accepting, ends what takes long, lets the rest finish for at most `graceMs` (2,000). */
  close(graceMs?: number): Promise<void>;
}

const MAX_CONNECTIONS = 4096;
const MAX_HEADER_BYTES = 16 * 1024;
/** Passed on to the HTTP/1.1 half of the server, which the types of node:http2 leave out. */
const HTTP1_OPTIONS = { maxHeaderSize: MAX_HEADER_BYTES };
const SWEEP_MS = 1000;
const KEEPALIVE_MS = 30_000;

/** Listens. Throws FAILED_PRECONDITION for files or an environment that will not do, UNAVAILABLE for a port that is taken. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { app, audit, files, clock = Date.now, notice = () => {} } = options;
  // The variable has switched off the verification of clients, too, in some releases of Bun.
  if (process.env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0")
    throw new TeleError("FAILED_PRECONDITION", {
      detail: "NODE_TLS_REJECT_UNAUTHORIZED=0 is set, with which certificates mean nothing",
      hint: "unset it",
    });
  let isRevoked = loadRevocations(files.revoked);
  const server = createSecureServer({
    ...tlsOptions(loadCredentials(files)),
    allowHTTP1: true,
    handshakeTimeout: options.handshakeTimeout ?? 20_000,
    maxHeaderListPairs: 100,
    settings: { maxConcurrentStreams: 256, maxHeaderListSize: MAX_HEADER_BYTES },
    ...HTTP1_OPTIONS,
  });
  const patience = { ...PATIENCE, ...options.patience };
  // The second is HTTP/1.1's, and again not in the types.
  Object.assign(server, { maxConnections: MAX_CONNECTIONS, keepAliveTimeout: patience.idle });
  const connections = trackConnections(patience, clock);

  const handle = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as unknown as Bindings;
      const connection = connections.of(incoming);
      if (!connection) {
        outgoing.destroy();
        return RESPONSE_ALREADY_SENT;
      }
      const why = refusal(connection.peer, clock(), isRevoked);
      if (why || !connection.peer) return turnAway(connection, incoming, outgoing, why);
      const exchange = connections.begin(connection, outgoing);
      const bindings: Bindings = {
        identity: connection.peer.identity,
        remote: connection.remote,
        incoming,
        outgoing,
        beLong: () => {
          exchange.long = true;
        },
      };
      return app.fetch(request, bindings);
    },
    {
      overrideGlobalObjects: false,
      autoCleanupIncoming: false,
      errorHandler: (error) => {
        const problem = problemOf(
          new TeleError("INVALID_ARGUMENT", { detail: `the request cannot be read: ${(error as Error).message}` }),
        );
        return new Response(JSON.stringify(problem), {
          status: problem.status,
          headers: { "content-type": PROBLEM_TYPE },
        });
      },
    },
  );

  function turnAway(
    connection: Connection,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    why: TeleError | undefined,
  ): Response {
    const { method = "", url = "" } = incoming;
    const who = connection.peer?.identity;
    const resource = url.split("?", 1)[0] ?? "";
    const { remote } = connection;
    audit.record({ who, method, resource, decision: "denied", code: "UNAUTHENTICATED", remote });
    const isHttp1 = incoming.httpVersionMajor === 1;
    outgoing.once("close", () => connection.close());
    return sendProblem(outgoing, why, isHttp1 ? { connection: "close" } : undefined);
  }

  server.on("request", (incoming, outgoing) => void handle(incoming, outgoing));
  server.on("connection", (socket: Socket) => {
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.setNoDelay(true);
  });
  server.on("session", (session) => connections.addSession(session));
  server.on("secureConnection", (socket) => {
    if (socket.alpnProtocol !== "h2") connections.addSocket(socket);
  });
  server.on("sessionError", () => {});
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
    const { code = "" } = error;
    const remote = socket.remoteAddress ?? "";
    if (code === HTTP_REQUEST) answerPlainHttp(socket);
    audit.record({
      who: undefined,
      method: "TLS",
      resource: code,
      decision: "denied",
      code: "UNAUTHENTICATED",
      remote,
    });
    // Bun reports a handshake that took too long, and leaves the closing to us.
    socket.destroy();
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if ((socket as TLSSocket).encrypted && !(socket as TLSSocket).authorized) return;
    if (socket.writable) socket.end(badRequest(error.code === "HPE_HEADER_OVERFLOW" ? 431 : 400, error.message));
    else socket.destroy();
  });

  await bind(server, options);
  const sweeping = setInterval(() => connections.sweep(), SWEEP_MS);
  sweeping.unref();
  const stopWatching = watchCredentials(files, {
    onCredentials(renewed) {
      server.setSecureContext(tlsOptions(renewed));
      notice({ kind: "certificate-renewed", notAfter: renewed.notAfter });
    },
    onRevocations(list) {
      isRevoked = list;
      // What runs already must not run on; the next request on the same connection hears why.
      for (const { peer, exchanges } of connections.all())
        if (peer && isRevoked(peer.identity.fingerprint)) for (const { outgoing } of exchanges) breakOff(outgoing);
      notice({ kind: "revocations-read" });
    },
    onFault: (error) => notice({ kind: "files-unusable", error }),
  });
  const { port, address } = server.address() as AddressInfo;

  return {
    port,
    address,
    async close(graceMs = 2000) {
      stopWatching();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of connections.all()) {
        for (const { long, outgoing } of connection.exchanges) if (long) breakOff(outgoing);
        if (connection.exchanges.size === 0) connection.close();
      }
      const deadline = setTimeout(() => {
        for (const connection of connections.all()) connection.destroy();
      }, graceMs);
      await closed;
      clearTimeout(deadline);
      clearInterval(sweeping);
      audit.flush();
    },
  };
}

/** What decides who gets in; the same for the first certificate and for those that follow it. */
function tlsOptions({ key, cert, ca }: Credentials) {
  return {
    key,
    cert,
    ca,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    // A key exchange over P-384 takes a third off the handshakes per second and adds nothing to X25519's 128 bits.
    ecdhCurve: "X25519:P-384:P-256",
    // Identity lives in the ticket; it should not live long.
    sessionTimeout: 3600,
  } as const;
}

function bind(server: Http2SecureServer, { host, port }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const where = `${host === undefined ? "" : `${host} `}port ${port}`;
    server.once("error", (error: NodeJS.ErrnoException) => {
      const { code = "" } = error;
      const [detail, hint] =
        code === "EADDRINUSE"
          ? [`${where} is in use`, `see who has it with: ss -ltnp 'sport = :${port}', or choose another with --listen`]
          : code === "EACCES"
            ? [`${where} needs privileges`, "choose a port above 1023 with --listen"]
            : [`cannot listen on ${where}: ${error.message}`, "choose an address of this machine with --listen"];
      reject(new TeleError("UNAVAILABLE", { detail, hint, errno: code }, { cause: error }));
    });
    server.listen({ port, ...(host !== undefined && { host }) }, () => {
      server.removeAllListeners("error");
      server.on("error", () => {});
      resolve();
    });
  });
}

/** What begins like "GET ", "POST", "HEAD" or "PUT ". Other methods are no TLS either, and are answered by a TLS alert. */
const HTTP_REQUEST = "ERR_SSL_HTTP_REQUEST";

/** Somebody forgot the s of https: say so in words he can read. */
function answerPlainHttp(socket: TLSSocket): void {
  // TLS is over before it began, so the way out is the descriptor below it. Still open while this event is delivered.
  const { fd, readyState } = (socket as { _handle?: { fd?: number; readyState?: number } })._handle ?? {};
  if (fd === undefined || fd <= 2 || readyState !== 1) return;
  try {
    writeSync(fd, badRequest(400, "this port speaks HTTPS: use https:// and a client certificate"));
  } catch {
    // The client may have left.
  }
}

function badRequest(status: number, text: string): string {
  const phrase = status === 431 ? "Request Header Fields Too Large" : "Bad Request";
  const body = `${text}\n`;
  return (
    `HTTP/1.1 ${status} ${phrase}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    `Connection: close\r\n\r\n${body}`
  );
}
