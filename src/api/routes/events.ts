/** `/v1/events`: server-sent events of the jobs that the caller may see. */
import { maySee } from "../authorization.ts";
import { breakOff, RESPONSE_ALREADY_SENT } from "../respond.ts";
import { route } from "../route.ts";
import { JobEventSchema } from "../schemas.ts";

/** A comment this often keeps proxies and dead connections honest. */
export const HEARTBEAT_MS = 15_000;
/** Bytes that a slow reader may leave with us before it is cut off; it can list the jobs and listen again. */
const MAX_BACKLOG = 2 ** 20;

const events = route({
  method: "GET",
  path: "/v1/events",
  action: "events.watch",
  summary:
    "Events of jobs as they happen. The id is the event's sequence number; a gap means that the reader was too slow.",
  long: true,
  answers: [{ status: 200, description: "A stream.", content: { "text/event-stream": JobEventSchema } }],
  handle({ c, parts, who }) {
    const { outgoing } = c.env;
    outgoing.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const write = (text: string): void => {
      if (outgoing.writableLength > MAX_BACKLOG) breakOff(outgoing);
      else outgoing.write(text);
    };
    // Sent at once, so that the client knows that from here on nothing escapes it.
    write(": events follow\n\n");
    const heartbeat = setInterval(() => write(": still here\n\n"), HEARTBEAT_MS);
    const unsubscribe = parts.jobs.subscribe((event) => {
      if (!maySee(who, event.job.owner)) return;
      write(`id: ${event.sequence}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    });
    outgoing.on("error", () => {});
    outgoing.once("close", () => {
      clearInterval(heartbeat);
      unsubscribe();
    });
    return RESPONSE_ALREADY_SENT;
  },
});

export const eventRoutes = [events];
