/** The API as a Hono app, apart from its listener. */
import { Hono } from "hono";
import { VERSION } from "#version";
import { leaveBody } from "./body.ts";
import { dispatcher, noSuchPath } from "./dispatch.ts";
import type { ApiParts, Bindings, Parts } from "./env.ts";
import { createIdempotency } from "./idempotency.ts";
import { mountsOf, openApiDocument } from "./openapi.ts";
import { isOurFault } from "./problem.ts";
import { sendProblem } from "./respond.ts";
import { eventRoutes } from "./routes/events.ts";
import { hostRoutes } from "./routes/host.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { watchRoutes } from "./routes/watch.ts";

/** Every route there is. */
export const ROUTES = [...jobRoutes, ...watchRoutes, ...eventRoutes, ...hostRoutes];

/** The app; its `fetch` wants `Bindings` as its environment. */
export type ApiApp = Hono<{ Bindings: Bindings }>;

/** Builds the app from the parts of the daemon. */
export function createApp(given: ApiParts): ApiApp {
  const clock = given.clock ?? Date.now;
  let document: string | undefined;
  const parts: Parts = {
    ...given,
    clock,
    idempotency: createIdempotency(clock),
    document: () => (document ??= openApiDocument(ROUTES, VERSION)),
  };
  const app: ApiApp = new Hono();
  for (const [mount, routes] of mountsOf(ROUTES)) app.all(mount, dispatcher(routes, parts));
  app.notFound((c) => {
    leaveBody(c.env.incoming, c.env.outgoing);
    return sendProblem(c.env.outgoing, noSuchPath(c.req.path));
  });
  app.onError((error, c) => {
    if (isOurFault(error)) given.report?.(error);
    return sendProblem(c.env.outgoing, error);
  });
  return app;
}
