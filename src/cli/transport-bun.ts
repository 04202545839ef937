/** Requests over Bun's fetch: `fetch` as the web has it, with the `tls` option that only Bun reads. */
import type { ResolvedContext } from "#certs/context.ts";
import type { Answer, Call, Credentials } from "./client.ts";
import { connectionError } from "./connection-error.ts";
import { urlOf } from "./curl.ts";

/** Sends a request and resolves with the whole answer. */
export async function ask(
  context: ResolvedContext,
  credentials: Credentials,
  call: Call,
  timeoutMs: number,
): Promise<Answer> {
  // The transports must not differ: node:https obeys no proxy variables, fetch would.
  process.env["NO_PROXY"] = process.env["no_proxy"] = "*";
  const headers: Record<string, string> = { accept: "application/json", ...call.headers };
  if (call.body !== undefined) headers["content-type"] = "application/json";
  const signal = AbortSignal.timeout(timeoutMs);
  const init = {
    method: call.method,
    headers,
    signal,
    redirect: "manual",
    keepalive: false,
    tls: { ...credentials, rejectUnauthorized: true },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
  } as RequestInit;
  try {
    const response = await fetch(urlOf(context.server, call), init);
    const contentType = response.headers.get("content-type") ?? "";
    return { status: response.status, contentType, text: await response.text() };
  } catch (error) {
    throw await connectionError(signal.aborted ? signal.reason : error, context, credentials);
  }
}
