/** What the server tells about itself. */
import { z } from "zod";
import { send, sendJson } from "../respond.ts";
import { route } from "../route.ts";
import { HealthSchema, HostInfoSchema } from "../schemas.ts";

const host = route({
  method: "GET",
  path: "/v1/host",
  action: "host.get",
  summary: "The machine and the daemon on it.",
  answers: [{ status: 200, description: "Facts.", content: { "application/json": HostInfoSchema } }],
  handle: ({ c, parts }) => sendJson(c, parts.host()),
});

const health = route({
  method: "GET",
  path: "/healthz",
  action: "health.get",
  summary: "Whether the daemon answers. Any valid client certificate will do.",
  answers: [{ status: 200, description: "It does.", content: { "application/json": HealthSchema } }],
  handle: ({ c }) => sendJson(c, { status: "ok" }),
});

const openapi = route({
  method: "GET",
  path: "/openapi.json",
  action: "openapi.get",
  summary: "This document.",
  answers: [{ status: 200, description: "OpenAPI 3.1.", content: { "application/json": z.looseObject({}) } }],
  handle: ({ c, parts }) => send(c, 200, "application/json", parts.document()),
});

export const hostRoutes = [host, health, openapi];
