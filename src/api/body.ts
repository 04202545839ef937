/** Request bodies: read up to a limit and a time, whatever the client claims about them. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { TeleError } from "#errors";

/** Largest body: room for the kernel's longest arguments and environment (1 MiB) as JSON writes them. */
export const MAX_BODY_BYTES = 1.5 * 2 ** 20;
/** A body must be complete after this long. */
const BODY_TIMEOUT_MS = 30_000;

const TOO_LARGE = new TeleError("PAYLOAD_TOO_LARGE", {
  detail: `the body is larger than ${MAX_BODY_BYTES} bytes`,
  hint: "give the job its data through its command, not in the request",
});

/** Reads the whole body; rejects with PAYLOAD_TOO_LARGE without keeping or reading on, or INVALID_ARGUMENT when it stalls. */
export function readBody(incoming: IncomingMessage): Promise<Buffer> {
  if (Number(incoming.headers["content-length"] ?? 0) > MAX_BODY_BYTES) return Promise.reject(TOO_LARGE);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(() => {
      settle();
      reject(
        new TeleError("INVALID_ARGUMENT", {
          detail: `the body was not complete after ${BODY_TIMEOUT_MS / 1000} seconds`,
          hint: "send it faster, or Content-Length as long as it is",
        }),
      );
    }, BODY_TIMEOUT_MS);
    const settle = (): void => {
      clearTimeout(timer);
      incoming.off("data", onData).off("end", onEnd).off("error", onGone).off("close", onGone);
      incoming.pause();
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) {
        settle();
        reject(TOO_LARGE);
      } else chunks.push(chunk);
    };
    const onEnd = (): void => {
      settle();
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    };
    const onGone = (): void => {
      settle();
      reject(new TeleError("INVALID_ARGUMENT", { detail: "the client left before its body was complete" }));
    };
    incoming.on("data", onData).on("end", onEnd).on("error", onGone).on("close", onGone);
  });
}

/**
 * Deals with what is left of a request's body once the answer is out. A body that is whole costs nothing; otherwise the
 * stream (HTTP/2) or the connection (HTTP/1.1) is closed, because reading on would let anyone keep us busy.
 */
export function leaveBody(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.readableEnded) return;
  incoming.on("error", () => {});
  incoming.resume();
  outgoing.once("finish", () => {
    if (incoming.readableEnded || incoming.complete) return;
    // A moment for the rest of a small body, and for our answer to reach a client that is still writing.
    const timer = setTimeout(() => {
      if (!incoming.readableEnded && !incoming.complete) incoming.destroy();
    }, LINGER_MS);
    incoming.once("end", () => clearTimeout(timer));
  });
}

const LINGER_MS = 500;
