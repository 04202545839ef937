/** From a request to its route: method and custom method, authorization, the job, query and body, in this order. */
import { z } from "zod";
import { type Fault, TeleError } from "#errors";
import { HINTS } from "#hints";
import type { Job } from "#spec/job.ts";
import { allowsAction, type Decision, type Denial, maySee } from "./authorization.ts";
import { leaveBody, readBody } from "./body.ts";
import type { Ctx, Parts } from "./env.ts";
import { faultsOf, invalid, jsonPointer } from "./problem.ts";
import { sendProblem } from "./respond.ts";
import type { Route } from "./route.ts";

/** `jobs/{id}` names: the caller's own, or a UUIDv7. */
export const OWN_NAME = /^[a-z][a-z0-9-]{0,62}$/;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Path as Hono mounts it, and the custom method (AIP-136) after it: `/v1/jobs/{id}:stop` → `/v1/jobs/:id`, `stop`. */
export function shapeOf(path: string): { readonly mount: string; readonly verb: string } {
  const [, base = path, verb = ""] = /^(.*\})(?::([a-z]+))?$/.exec(path) ?? [];
  return { mount: base.replaceAll(/\{(\w+)\}/g, ":$1"), verb };
}

/** One handler for all routes of a path: Hono's router knows nothing of `:verb` behind a parameter. */
export function dispatcher(routes: readonly Route[], parts: Parts): (c: Ctx) => Response | Promise<Response> {
  const byVerb = new Map<string, Map<string, Route>>();
  for (const route of routes) {
    const { verb } = shapeOf(route.path);
    const byMethod = byVerb.get(verb) ?? new Map<string, Route>();
    byVerb.set(verb, byMethod.set(route.method, route));
  }
  return (c) => {
    const segment = c.req.param("id") ?? "";
    const colon = segment.indexOf(":");
    const id = colon === -1 ? segment : segment.slice(0, colon);
    const verb = colon === -1 ? "" : segment.slice(colon + 1);
    const byMethod = byVerb.get(verb);
    if (!byMethod) return sendProblem(c.env.outgoing, noSuchPath(c.req.path));
    const { method } = c.req;
    const route = byMethod.get(method === "HEAD" ? "GET" : method);
    if (!route || (method === "HEAD" && route.long)) return methodNotAllowed(c, byMethod);
    return call(c, route, id, parts);
  };
}

/** The problem of a path that is none of ours. */
export function noSuchPath(path: string): TeleError {
  return new TeleError("NOT_FOUND", { detail: `there is no ${path}`, hint: "GET /openapi.json lists what there is" });
}

/** The problem of a job that is not there, or not there for this caller. */
export function noSuchJob(id: string): TeleError {
  return new TeleError("NOT_FOUND", { detail: `there is no job ${id}`, hint: HINTS.listJobs });
}

function methodNotAllowed(c: Ctx, byMethod: ReadonlyMap<string, Route>): Response {
  const allow = [...byMethod.values()].flatMap(({ method, long }) =>
    method === "GET" && !long ? ["GET", "HEAD"] : [method],
  );
  const detail = `${c.req.path} does not take ${c.req.method}`;
  const error = new TeleError("METHOD_NOT_ALLOWED", { detail, hint: `it takes ${allow.join(", ")}` });
  leaveBody(c.env.incoming, c.env.outgoing);
  return sendProblem(c.env.outgoing, error, { allow: allow.join(", ") });
}

function call(c: Ctx, route: Route, id: string, parts: Parts): Response | Promise<Response> {
  const { identity: who, incoming, outgoing } = c.env;
  try {
    const job = admit(c, route, id, parts);
    if (route.long) c.env.beLong();
    const shared = { c, parts, who, id, job: job as Job };
    if (!route.body) {
      if (incoming.method !== "GET") leaveBody(incoming, outgoing);
      return guarded(c, route.handle({ ...shared, query: queryOf(c, route), body: undefined }));
    }
    const query = queryOf(c, route);
    return guarded(
      c,
      readBody(incoming).then((bytes) => {
        const examine = (input: unknown, error: z.ZodError): Fault[] => route.examine?.(shared, input, error) ?? [];
        const body = parseBody(bytes, route.body as z.ZodType, examine);
        const decision = route.allows?.(who, body);
        // The action is on the log as allowed already; what was asked for with it is a decision of its own.
        if (decision?.allowed === false) {
          record(c, parts, decision);
          throw denial(decision);
        }
        return route.handle({ ...shared, query, body });
      }),
    );
  } catch (error) {
    return refuse(c, error);
  }
}

function guarded(c: Ctx, answer: Response | Promise<Response>): Response | Promise<Response> {
  return answer instanceof Promise ? answer.catch((error: unknown) => refuse(c, error)) : answer;
}

function refuse(c: Ctx, error: unknown): Response {
  const { incoming, outgoing } = c.env;
  if (incoming.method !== "GET") leaveBody(incoming, outgoing);
  return sendProblem(outgoing, error);
}

/** Asks whether the caller may, tells the audit log, and returns the job that the path names. */
function admit(c: Ctx, route: Route, id: string, parts: Parts): Job | undefined {
  const { identity: who } = c.env;
  let decision: Decision = allowsAction(who, route.action);
  let job: Job | undefined;
  const named = id !== "";
  if (decision.allowed && named) {
    if (OWN_NAME.test(id) || UUID_V7.test(id)) job = route.live ? parts.jobs.get(id) : parts.jobs.peek(id);
    if (!job || !maySee(who, job.owner)) decision = { allowed: false, code: "NOT_FOUND", detail: "" };
  }
  record(c, parts, decision);
  if (decision.allowed) return job;
  throw decision.code === "NOT_FOUND" ? noSuchJob(id) : denial(decision);
}

function record(c: Ctx, parts: Parts, decision: Decision): void {
  parts.audit.record({
    who: c.env.identity,
    method: c.req.method,
    resource: c.req.path,
    decision: decision.allowed ? "allowed" : "denied",
    code: decision.allowed ? "OK" : decision.code,
    remote: c.env.remote,
  });
}

function denial({ code, detail, hint, faults }: Denial): TeleError {
  return new TeleError(code, { detail, ...(hint !== undefined && { hint }), ...(faults && { faults }) });
}

const NO_QUERY = z.strictObject({});

function queryOf(c: Ctx, route: Route): unknown {
  const schema = route.query ?? NO_QUERY;
  const { url } = c.req;
  const mark = url.indexOf("?");
  if (mark === -1 && !route.query) return undefined;
  const values: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(mark === -1 ? "" : url.slice(mark + 1))) {
    if (Object.hasOwn(values, name)) throw invalid([{ pointer: `?${name}`, detail: "is given twice" }]);
    values[name] = value;
  }
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  throw invalid(faultsOf(parsed.error, schema, (path) => `?${path.join(".")}`));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Whatever its content type says, it is JSON: `curl -d` calls it a form. */
function parseBody(
  bytes: Buffer,
  schema: z.ZodType,
  examine: (input: unknown, error: z.ZodError) => readonly Fault[],
): unknown {
  let value: unknown = {};
  if (bytes.length > 0) {
    try {
      value = JSON.parse(utf8.decode(bytes));
    } catch (error) {
      const why = error instanceof SyntaxError ? error.message.replace(/^JSON Parse error: /, "") : "it is not UTF-8";
      throw new TeleError("INVALID_ARGUMENT", {
        detail: `the body is not JSON: ${why}`,
        hint: 'send something like {"command":["/bin/echo","hello"]}',
        faults: [{ pointer: "", detail: why }],
      });
    }
  }
  const parsed = schema.safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw invalid([...faultsOf(parsed.error, schema, jsonPointer), ...examine(value, parsed.error)]);
}
