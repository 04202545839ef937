import { CODES, type Code, type ErrorFields, type Fault, TeleError } from "#errors";
import type { Answer } from "./client.ts";

const PREFIX = "urn:tele:problem:";

/** The error that a refused request came back with (RFC 9457); of another kind of server, an error that says so. */
export function toProblem({ status, contentType, text }: Answer, server: string): TeleError {
  const problem = contentType.startsWith("application/problem+json") ? parse(text) : undefined;
  const type = typeof problem?.["type"] === "string" ? problem["type"] : "";
  const code = type.startsWith(PREFIX) ? type.slice(PREFIX.length).toUpperCase() : "";
  if (!problem || !Object.hasOwn(CODES, code)) return notTele(server, status);
  const fields: Record<string, unknown> = { detail: problem["detail"] ?? problem["title"] ?? code };
  for (const name of ["hint", "step", "errno"]) if (typeof problem[name] === "string") fields[name] = problem[name];
  if (typeof problem["instance"] === "string") fields["resource"] = problem["instance"].replace(/^\/v1\//, "");
  if (Array.isArray(problem["faults"])) fields["faults"] = problem["faults"] as Fault[];
  return new TeleError(code as Code, fields as unknown as ErrorFields);
}

/** Something answered that does not speak our API. */
export function notTele(server: string, status: number, options?: ErrorOptions): TeleError {
  return new TeleError(
    "UNAVAILABLE",
    { detail: `${server} does not answer as tele does (HTTP ${status})`, hint: "check --host and $TELE_HOST" },
    options,
  );
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
