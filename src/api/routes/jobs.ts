/** `/v1/jobs`: start, list, status, stop, signal, wait, forget. */
import { z } from "zod";
import { CODES, TeleError } from "#errors";
import { nearest } from "#spec/nearest.ts";
import { parseDuration } from "#spec/quantity.ts";
import { JobSpecSchema } from "#spec/schema.ts";
import { soundPart } from "#spec/sound-part.ts";
import { allowsSpec, listScope } from "../authorization.ts";
import { OWN_NAME } from "../dispatch.ts";
import { parseFilter } from "../filter.ts";
import { isLasting, type Answer } from "../idempotency.ts";
import { decodeToken, listKey, pageSizeOf, parseOrder, takePage } from "../paging.ts";
import { problemOf, PROBLEM_TYPE } from "../problem.ts";
import { send, sendJson } from "../respond.ts";
import { route } from "../route.ts";
import { JobListSchema, JobSchema } from "../schemas.ts";
import { signalName, SIGNAL_NAMES } from "../signals.ts";

const MAX_WAIT_MS = 10 * 60 * 1000;
const MAX_GRACE_MS = 3600 * 1000;

const oneJob = { "application/json": JobSchema };

const signal = z.union([z.string(), z.int()]).transform((value, context) => {
  const name = signalName(value);
  if (name !== undefined) return name;
  const meant = typeof value === "string" ? nearest(value.replace(/^(SIG)?/i, "SIG"), SIGNAL_NAMES) : undefined;
  const message = `${JSON.stringify(value)} is no signal${meant === undefined ? "" : `; did you mean ${meant}?`}`;
  context.addIssue({ code: "custom", message });
  return z.NEVER;
});

/** A duration up to `most`, in milliseconds; zero is allowed. */
const durationUpTo = (most: number, words: string) =>
  z.string().transform((value, context) => {
    const ms = parseDuration(value);
    if (ms !== undefined && ms <= most) return ms;
    context.addIssue({ code: "custom", message: `must be a duration such as "5s", up to ${words}` });
    return z.NEVER;
  });

const create = route({
  method: "POST",
  path: "/v1/jobs",
  action: "jobs.create",
  summary:
    "Start a job. Answers once its program runs. With Idempotency-Key, a repeated request gets the first answer.",
  query: z.strictObject({
    jobId: z.string().regex(OWN_NAME, "must be a small letter, then up to 62 small letters, digits and -").optional(),
  }),
  body: JobSpecSchema,
  allows: allowsSpec,
  examine({ parts, who }, body, error) {
    const sound = soundPart(body, error);
    // Who may not ask for it is not told either whether the host has it.
    return sound && allowsSpec(who, sound).allowed ? parts.jobs.examine(sound) : [];
  },
  answers: [{ status: 201, description: "The job, which runs.", content: oneJob }],
  async handle({ c, parts, who, query, body }) {
    const start = async (): Promise<Answer> => {
      const request = { spec: body, owner: who.user, ...(query.jobId !== undefined && { id: query.jobId }) };
      const job = await parts.jobs.start(request);
      const headers = { "content-type": "application/json", location: `/v1/${job.name}` };
      return { status: 201, headers, body: JSON.stringify(job) };
    };
    const key = c.req.header("idempotency-key");
    if (key === undefined) {
      const { status, headers, body: text } = await start();
      return send(c, status, "application/json", text, headers);
    }
    const request = JSON.stringify([query.jobId ?? null, body]);
    const answer = await parts.idempotency.run(who.user, key, request, () => start().catch(asAnswer));
    const { "content-type": type = "application/json", ...headers } = answer.headers;
    return send(
      c,
      answer.status,
      type,
      answer.body,
      answer.replayed ? { ...headers, "idempotent-replayed": "true" } : headers,
    );
  },
});

/** A failed start is an answer too, or a repeated request would start a second job. */
function asAnswer(error: unknown): Answer {
  if (!(error instanceof TeleError) || !isLasting(error)) throw error;
  return {
    status: CODES[error.code],
    headers: { "content-type": PROBLEM_TYPE },
    body: JSON.stringify(problemOf(error)),
  };
}

const list = route({
  method: "GET",
  path: "/v1/jobs",
  action: "jobs.list",
  summary: "List the caller's jobs, for admins everybody's, newest first.",
  query: z.strictObject({
    filter: z
      .string()
      .optional()
      .meta({ description: 'AIP-160: comparisons joined by AND, such as `state = RUNNING AND labels.app = "web"`.' }),
    pageSize: z
      .string()
      .regex(/^\d{1,9}$/, "must be a number")
      .transform(Number)
      .optional(),
    pageToken: z.string().optional(),
    orderBy: z.string().optional().meta({ description: "`createTime desc` (default) or `createTime asc`." }),
  }),
  answers: [{ status: 200, description: "One page.", content: { "application/json": JobListSchema } }],
  handle({ c, parts, who, query }) {
    const filter = parseFilter(query.filter ?? "");
    const descending = parseOrder(query.orderBy);
    const scope = listScope(who);
    const owner = scope ?? filter.owner;
    const key = listKey(scope ?? "", query.filter ?? "", String(descending));
    const after = query.pageToken ? decodeToken(key, query.pageToken) : undefined;
    const jobs = parts.jobs.list({
      descending,
      ...(owner !== undefined && { owner }),
      ...(after !== undefined && { after }),
    });
    return sendJson(c, takePage(jobs, filter.matches, pageSizeOf(query.pageSize), key));
  },
});

const get = route({
  method: "GET",
  path: "/v1/jobs/{id}",
  action: "jobs.get",
  summary: "A job's status, with live usage while it runs.",
  live: true,
  answers: [{ status: 200, description: "The job.", content: oneJob }],
  handle: ({ c, job }) => sendJson(c, job),
});

const remove = route({
  method: "DELETE",
  path: "/v1/jobs/{id}",
  action: "jobs.delete",
  summary: "Forget a closed job and its output.",
  answers: [{ status: 204, description: "It is forgotten." }],
  async handle({ c, parts, id }) {
    await parts.jobs.remove(id);
    return send(c, 204, "application/json", "");
  },
});

const stop = route({
  method: "POST",
  path: "/v1/jobs/{id}:stop",
  action: "jobs.stop",
  summary: "Ask the job to end (SIGTERM), and after the grace period kill everything in it. Idempotent.",
  body: z.strictObject({ signal: signal.optional(), grace: durationUpTo(MAX_GRACE_MS, "an hour").optional() }),
  answers: [{ status: 200, description: "The job, which has begun to stop or was closed already.", content: oneJob }],
  async handle({ c, parts, who, id, body }) {
    const { signal: first, grace } = body;
    const request = {
      by: who.user,
      ...(first !== undefined && { signal: first }),
      ...(grace !== undefined && { graceMs: grace }),
    };
    return sendJson(c, await parts.jobs.stop(id, request));
  },
});

const signalJob = route({
  method: "POST",
  path: "/v1/jobs/{id}:signal",
  action: "jobs.signal",
  summary: "Send a signal to the job's main process.",
  body: z.strictObject({ signal }),
  answers: [{ status: 204, description: "It was sent." }],
  async handle({ c, parts, id, body }) {
    await parts.jobs.signal(id, body.signal);
    return send(c, 204, "application/json", "");
  },
});

const wait = route({
  method: "POST",
  path: "/v1/jobs/{id}:wait",
  action: "jobs.wait",
  summary:
    "Wait until the job is closed, or as long as asked (up to and by default 10 minutes), and answer with it either way.",
  long: true,
  body: z.strictObject({ timeout: durationUpTo(MAX_WAIT_MS, "10 minutes").default(MAX_WAIT_MS) }),
  answers: [{ status: 200, description: "The job, closed or not.", content: oneJob }],
  async handle({ c, parts, id, body }) {
    const enough = new AbortController();
    const stopWaiting = (): void => enough.abort();
    const timer = setTimeout(stopWaiting, body.timeout);
    c.env.outgoing.once("close", stopWaiting);
    try {
      return sendJson(c, await parts.jobs.wait(id, enough.signal));
    } finally {
      clearTimeout(timer);
    }
  },
});

export const jobRoutes = [create, list, get, remove, stop, signalJob, wait];
