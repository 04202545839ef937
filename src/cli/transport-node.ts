/** Requests over node:https: every stream, and everything where Bun's fetch is not there (Deno, Node). */
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { ResolvedContext } from "#certs/context.ts";
import type { Answer, Call, Credentials } from "./client.ts";
import { connectionError } from "./connection-error.ts";
import { urlOf } from "./curl.ts";

/** Sends a request and resolves with its answer's head; the body follows as a stream. */
export function openStream(context: ResolvedContext, credentials: Credentials, call: Call): Promise<IncomingMessage> {
  return send(context, credentials, call).catch(async (error: unknown) => {
    throw await connectionError(error, context, credentials);
  });
}

/** Sends a request and resolves with the whole answer. */
export async function ask(
  context: ResolvedContext,
  credentials: Credentials,
  call: Call,
  timeoutMs: number,
): Promise<Answer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await send(context, credentials, call, signal);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const contentType = response.headers["content-type"] ?? "";
    return { status: response.statusCode ?? 0, contentType, text: Buffer.concat(chunks).toString() };
  } catch (error) {
    throw await connectionError(signal.aborted ? signal.reason : error, context, credentials);
  }
}

function send(
  context: ResolvedContext,
  credentials: Credentials,
  call: Call,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const headers: Record<string, string | number> = { accept: "application/json", ...call.headers };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (call.method === "POST") headers["content-length"] = Buffer.byteLength(body ?? "");
  return new Promise((resolve, reject) => {
    const options = {
      method: call.method,
      headers,
      ...credentials,
      minVersion: "TLSv1.3" as const,
      agent: false as const,
    };
    const outgoing = request(urlOf(context.server, call), signal ? { ...options, signal } : options, resolve);
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
