/** Answers, written straight to the Node response: a Web `Response` costs as much as all the rest of a small request. */
import type { ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Ctx } from "./env.ts";
import { PROBLEM_TYPE, problemOf } from "./problem.ts";

export type HeaderFields = Readonly<Record<string, string>>;

/** Sends a whole answer. A client that left meanwhile gets nothing, which is no error. */
export function send(c: Ctx, status: number, type: string, body: string, headers?: HeaderFields): Response {
  return sendTo(c.env.outgoing, status, type, body, headers);
}

/** The same where there is no context of Hono's. */
export function sendTo(
  outgoing: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers?: HeaderFields,
): Response {
  if (outgoing.headersSent || outgoing.destroyed) return RESPONSE_ALREADY_SENT;
  if (body === "") {
    outgoing.writeHead(status, { ...headers });
    outgoing.end();
    return RESPONSE_ALREADY_SENT;
  }
  const bytes = Buffer.from(body);
  outgoing.writeHead(status, { "content-type": type, "content-length": bytes.length, ...headers });
  outgoing.end(bytes);
  return RESPONSE_ALREADY_SENT;
}

/** Sends a value as JSON. */
export function sendJson(c: Ctx, value: unknown, status = 200, headers?: HeaderFields): Response {
  return send(c, status, "application/json", JSON.stringify(value), headers);
}

/** Sends an error as a problem document. */
export function sendProblem(outgoing: ServerResponse, error: unknown, headers?: HeaderFields): Response {
  const problem = problemOf(error);
  return sendTo(outgoing, problem.status, PROBLEM_TYPE, JSON.stringify(problem), headers);
}

/**
 * Ends an answer so that the client can tell that it is not whole. HTTP/2: destroyed without an error, or closed with
 * one (Bun 1.4), a stream ends as if all were well, and curl believes it. HTTP/1.1: the connection goes.
 */
export function breakOff(outgoing: ServerResponse): void {
  const { stream } = outgoing as { stream?: ServerHttp2Stream };
  stream?.on("error", () => {});
  outgoing.on("error", () => {});
  outgoing.destroy(new Error("cut off"));
}

/** Says that the answer was written, or is being written, to the Node response. */
export { RESPONSE_ALREADY_SENT };
