/** The way to a watcher: its response, with back-pressure, its end, and its disappearance. */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface Client {
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
  /** Sends the head at once, so that a client knows it is heard before there is a byte of output. */
  begin(status: number, headers: OutgoingHttpHeaders): void;
  /** Resolves with true once the bytes have left us and their buffer is free, and with false when the client is gone. */
  write(bytes: Lent | string): Promise<boolean>;
  /** The end of an answer that is whole. */
  end(trailers?: Readonly<Record<string, string>>): void;
}

/** Bytes in a buffer with room around them: `BEFORE` and `AFTER` bytes that are ours to overwrite. */
export type Lent = Buffer & { readonly lent?: never };
/** Room for the size of an HTTP/1.1 chunk: eight hex digits and a line end. */
export const BEFORE = 10;
/** Room for the line end after a chunk. */
export const AFTER = 2;

/** Takes over a response of which nothing has been written yet. */
export function clientOf(outgoing: ServerResponse): Client {
  return "stream" in outgoing ? http2Client(outgoing) : http1Client(outgoing);
}

type Write = (bytes: Buffer | string, done: (error?: Error | null) => void) => void;

function watched(outgoing: ServerResponse, put: Write): Pick<Client, "gone" | "write"> {
  const gone = new AbortController();
  const waiting = new Set<(written: boolean) => void>();
  outgoing.on("error", () => {});
  outgoing.once("close", () => {
    gone.abort();
    for (const resolve of waiting) resolve(false);
    waiting.clear();
  });
  return {
    gone: gone.signal,
    write: (bytes) =>
      new Promise((resolve) => {
        if (gone.signal.aborted) return resolve(false);
        waiting.add(resolve);
        put(bytes, (error) => {
          waiting.delete(resolve);
          resolve(!error && !gone.signal.aborted);
        });
      }),
  };
}

function http2Client(outgoing: ServerResponse): Client {
  return {
    ...watched(outgoing, (bytes, done) => void outgoing.write(bytes, done)),
    begin(status, headers) {
      outgoing.writeHead(status, headers);
      outgoing.flushHeaders();
    },
    end(trailers) {
      if (trailers) outgoing.addTrailers(trailers);
      outgoing.end();
    },
  };
}

/**
 * Chunks (RFC 9112 section 7.1) are written here and not by the response, for three reasons. Bun 1.4 forgets the
 * trailers of HTTP/1.1 behind node:http2. It calls back before the bytes have left, so their buffer could not be used
 * again. And it makes three writes of each chunk, which is slow. The connection is closed afterwards: the response does
 * not know that it has ended.
 */
function http1Client(outgoing: ServerResponse): Client {
  const socket = outgoing.socket as Socket;
  let chunked = false;
  return {
    ...watched(outgoing, (bytes, done) => void socket.write(chunked ? chunk(bytes) : bytes, done)),
    begin(status, headers) {
      // HTTP/1.0 has no chunks: there the end of the connection is the end of the answer.
      chunked = headers["content-length"] === undefined && outgoing.req.httpVersionMinor > 0;
      outgoing.writeHead(status, {
        ...headers,
        ...(chunked && { "transfer-encoding": "chunked" }),
        connection: "close",
      });
      outgoing.flushHeaders();
    },
    end(trailers = {}) {
      const fields = Object.entries(trailers).map(([name, value]) => `${name}: ${value}\r\n`);
      if (chunked) socket.end(`0\r\n${fields.join("")}\r\n`);
      else socket.end();
    },
  };
}

function chunk(bytes: Buffer | string): Buffer | string {
  if (typeof bytes === "string") return `${Buffer.byteLength(bytes).toString(16)}\r\n${bytes}\r\n`;
  const size = `${bytes.length.toString(16)}\r\n`;
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset - size.length, size.length + bytes.length + AFTER);
  whole.write(size, 0, "latin1");
  whole.write("\r\n", whole.length - AFTER, "latin1");
  return whole;
}
