/** `/v1/jobs/{id}:watch`: a job's output from any byte, live until its end. */
import { z } from "zod";
import { CODES, TeleError } from "#errors";
import type { Job } from "#spec/job.ts";
import type { Output } from "#runtime/jobs.ts";
import { noSuchJob } from "../dispatch.ts";
import type { Ctx, Parts } from "../env.ts";
import { isOurFault, PROBLEM_TYPE, problemOf } from "../problem.ts";
import { breakOff, RESPONSE_ALREADY_SENT, send } from "../respond.ts";
import { route } from "../route.ts";
import { FrameSchema } from "../schemas.ts";
import { placeRange, type Placed } from "../watch/range.ts";
import { sendBytes } from "../watch/raw.ts";
import { endFrame, sendFrames } from "../watch/frames.ts";
import { openReader, type Reader } from "../watch/reader.ts";
import { planWatch, WatchQuery, type WatchPlan } from "../watch/request.ts";
import { startOffset } from "../watch/start.ts";
import { clientOf } from "../watch/client.ts";
import type { View } from "../watch/view.ts";
import { HEARTBEAT_MS } from "./events.ts";

const TYPES = { raw: "application/octet-stream", ndjson: "application/x-ndjson", sse: "text/event-stream" } as const;
const bytes = z.custom().meta({ type: "string", format: "binary" });

const watch = route({
  method: "GET",
  path: "/v1/jobs/{id}:watch",
  action: "jobs.watch",
  summary:
    "The job's output from its first byte, then live until its end. Frames end with the end record; raw bytes have it in the trailers Tele-Reason, Tele-Exit-Code and Tele-Signal, and in the header fields when the job is closed already. `Range: bytes=N-` gives a part of the raw bytes.",
  long: true,
  query: WatchQuery,
  answers: [
    {
      status: 200,
      description: "The output.",
      content: { [TYPES.raw]: bytes, [TYPES.ndjson]: FrameSchema, [TYPES.sse]: FrameSchema },
    },
    { status: 204, description: "An event source that has had the end record already: do not connect again." },
    { status: 206, description: "A part of the output.", content: { [TYPES.raw]: bytes } },
  ],
  async handle({ c, parts, id, query }) {
    const plan = planWatch(
      query,
      {
        accept: c.req.header("accept"),
        range: c.req.header("range"),
        lastEventId: c.req.header("last-event-id"),
      },
      parts.clock(),
    );
    if (plan.done) return send(c, 204, TYPES.sse, "");
    const output = parts.jobs.output(id);
    if (!output) throw noSuchJob(id);
    const reader = openReader(output);
    try {
      await answer(c, parts, id, plan, output, reader);
    } catch (error) {
      // With half an answer out, a broken stream is the one thing left to say.
      if (!c.env.outgoing.headersSent) throw error;
      if (isOurFault(error)) parts.report?.(error);
      breakOff(c.env.outgoing);
    } finally {
      reader.close();
    }
    return RESPONSE_ALREADY_SENT;
  },
});

async function answer(
  c: Ctx,
  parts: Parts,
  id: string,
  plan: WatchPlan,
  output: Output,
  reader: Reader,
): Promise<void> {
  const closed = output.ended();
  const size = output.size();
  const placed = plan.range && placeRange(plan.range, size, closed || !plan.follow, closed);
  const endNow = closed ? endFields(parts.jobs.peek(id)) : {};
  if (placed === "unsatisfiable") return notSatisfiable(c, size, endNow);
  const from = placed?.from ?? (await startOffset(output, reader, plan));

  const client = clientOf(c.env.outgoing);
  const to = placed?.to ?? (plan.follow ? Infinity : size);
  const view: View = { output, reader, wanted: plan.wanted, follow: plan.follow, to, client };

  const trailers = plan.format === "raw" && placed?.length === undefined;
  client.begin(placed ? 206 : 200, headFields(plan, placed, trailers, endNow));
  if (plan.format === "raw") await sendBytes(view, from);
  else await withHeartbeat(view, plan, () => sendFrames(view, from, plan.format));

  if (client.gone.aborted) return;
  const { end } = (output.ended() && parts.jobs.peek(id)) || {};
  if (end && plan.format !== "raw") await client.write(endFrame(end, plan.format));
  client.end(end && trailers ? fieldsOfEnd(end) : undefined);
}

function headFields(
  plan: WatchPlan,
  placed: Placed | undefined,
  trailers: boolean,
  endNow: Readonly<Record<string, string>>,
): Record<string, string | number> {
  return {
    "content-type": TYPES[plan.format],
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...(plan.format === "raw" && plan.wanted === "all" && { "accept-ranges": "bytes" }),
    ...(trailers && { trailer: "Tele-Reason, Tele-Exit-Code, Tele-Signal" }),
    ...(placed && { "content-range": placed.contentRange }),
    ...(placed?.length !== undefined && { "content-length": placed.length }),
    ...endNow,
  };
}

function endFields(job: Job | undefined): Record<string, string> {
  return job?.end ? fieldsOfEnd(job.end) : {};
}

function fieldsOfEnd({ reason, exitCode, signal }: NonNullable<Job["end"]>): Record<string, string> {
  return {
    "Tele-Reason": reason,
    ...(exitCode !== undefined && { "Tele-Exit-Code": String(exitCode) }),
    ...(signal !== undefined && { "Tele-Signal": signal }),
  };
}

function notSatisfiable(c: Ctx, size: number, endNow: Readonly<Record<string, string>>): void {
  const error = new TeleError("RANGE_NOT_SATISFIABLE", {
    detail: `the output has ${size} bytes`,
    hint: "ask for a range that begins before its end",
  });
  const headers = { "content-range": `bytes */${size}`, ...endNow };
  send(c, CODES.RANGE_NOT_SATISFIABLE, PROBLEM_TYPE, JSON.stringify(problemOf(error)), headers);
}

/** Comments keep the proxies between us and an EventSource from giving up on a silent job. */
async function withHeartbeat(view: View, plan: WatchPlan, work: () => Promise<void>): Promise<void> {
  if (plan.format !== "sse") return work();
  let sent = true;
  const timer = setInterval(() => {
    // Not while the last one is still here: a client that does not read must not fill our memory with comments.
    if (!sent) return;
    sent = false;
    void view.client.write(": still here\n\n").then(() => (sent = true));
  }, HEARTBEAT_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
}

export const watchRoutes = [watch];
