/** Every open connection: who is at its other end, what it is doing, and when it has been idle for too long. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, ServerHttp2Session } from "node:http2";
import type { TLSSocket } from "node:tls";
import { readPeer, type Peer } from "./identity.ts";
import { breakOff } from "./respond.ts";

/** One answer in the making. */
export interface Exchange {
  readonly outgoing: ServerResponse;
  readonly startedMs: number;
  /** A watch and its like: it may take as long as a job. */
  long: boolean;
}

export interface Connection {
  /** Undefined when the certificate names no single user. */
  readonly peer: Peer | undefined;
  readonly remote: string;
  readonly exchanges: Set<Exchange>;
  /** Since when there is no exchange, milliseconds. */
  idleSince: number;
  /** Whether a request ever came. */
  used: boolean;
  /** Lets answers that are being written finish, where the protocol can. */
  close(): void;
  destroy(): void;
}

/** How long a connection may be what it is, in milliseconds. */
export interface Patience {
  /** Without a first complete request after the handshake: a slow-loris writes one header field a minute. */
  readonly firstRequest: number;
  /** Between requests; a request's own header counts, since nobody sees it before it is complete. */
  readonly idle: number;
  /** For an answer that is not a long one: a client that does not read it holds memory. */
  readonly answer: number;
}

export const PATIENCE: Patience = { firstRequest: 20_000, idle: 75_000, answer: 60_000 };

/** What the connections have to be told, and asked. */
export interface Connections {
  /** To be called for each TLS connection that does not speak HTTP/2. */
  addSocket(socket: TLSSocket): void;
  addSession(session: ServerHttp2Session): void;
  /** The connection of a request; undefined when it is gone. */
  of(incoming: IncomingMessage | Http2ServerRequest): Connection | undefined;
  begin(connection: Connection, outgoing: ServerResponse): Exchange;
  /** Closes what has used up its patience. */
  sweep(): void;
  all(): Iterable<Connection>;
}

/** `clock` in milliseconds. */
export function trackConnections(patience: Patience, clock: () => number): Connections {
  const open = new Map<object, Connection>();

  function add(key: TLSSocket | ServerHttp2Session, socket: TLSSocket, close: () => void, destroy: () => void): void {
    const connection: Connection = {
      // TLS looked at the certificate once, and so do we; a resumed session has the one of the first.
      peer: readPeer(socket.getPeerCertificate()),
      remote: socket.remoteAddress ?? "",
      exchanges: new Set(),
      idleSince: clock(),
      used: false,
      close,
      destroy,
    };
    open.set(key, connection);
    key.once("close", () => open.delete(key));
    // A connection that breaks is an everyday matter; "close" follows.
    key.on("error", () => {});
  }

  return {
    addSocket: (socket) =>
      add(
        socket,
        socket,
        () => socket.end(),
        () => socket.destroy(),
      ),
    addSession: (session) =>
      add(
        session,
        session.socket as TLSSocket,
        () => session.close(),
        () => session.destroy(),
      ),
    of: (incoming) => open.get("stream" in incoming ? (incoming.stream?.session ?? incoming) : incoming.socket),
    begin(connection, outgoing) {
      const exchange: Exchange = { outgoing, startedMs: clock(), long: false };
      connection.used = true;
      connection.exchanges.add(exchange);
      outgoing.once("close", () => {
        connection.exchanges.delete(exchange);
        connection.idleSince = clock();
      });
      return exchange;
    },
    sweep() {
      const now = clock();
      for (const connection of open.values()) {
        const { exchanges, used, idleSince } = connection;
        if (exchanges.size === 0) {
          if (now - idleSince <= (used ? patience.idle : patience.firstRequest)) continue;
          if (used) connection.close();
          else connection.destroy();
        }
        for (const { long, startedMs, outgoing } of exchanges)
          if (!long && now - startedMs > patience.answer) breakOff(outgoing);
      }
    },
    all: () => open.values(),
  };
}
