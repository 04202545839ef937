import type { ResolvedContext } from "#certs/context.ts";
import type { Call } from "./client.ts";
import { shellQuote } from "./shell.ts";

/** The curl line that makes the same request with the same certificate. */
export function curlLine(context: ResolvedContext, call: Call, streamed = false): string {
  const words = ["curl", "--fail-with-body", "--silent", "--show-error"];
  if (streamed) words.push("--no-buffer");
  words.push("--cacert", context.ca, "--cert", context.cert, "--key", context.key);
  if (call.method !== "GET" && !(call.method === "POST" && call.body !== undefined)) words.push("-X", call.method);
  for (const [name, value] of Object.entries(call.headers ?? {})) words.push("-H", `${name}: ${value}`);
  if (call.body !== undefined) words.push("-H", "content-type: application/json", "--data", JSON.stringify(call.body));
  return [...words.map(shellQuote), shellQuote(urlOf(context.server, call))].join(" ");
}

/** The whole address of a request. */
export function urlOf(server: string, { path, query }: Call): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return `${server.replace(/\/$/, "")}${path}${text ? `?${text}` : ""}`;
}
