/** The OpenAPI 3.1 document, made of the route table and the schemas that validate. */
import { z } from "zod";
import { shapeOf } from "./dispatch.ts";
import { PROBLEM_TYPE } from "./problem.ts";
import type { Route } from "./route.ts";
import { COMPONENTS, ProblemSchema } from "./schemas.ts";

type Json = Record<string, unknown>;

const named = new Map(Object.entries(COMPONENTS).map(([name, schema]) => [schema, name]));

/** OpenAPI 3.1 takes JSON Schema as it is. */
function schemaOf(schema: z.ZodType): Json {
  const name = named.get(schema);
  if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}

function contentOf(content: Readonly<Record<string, z.ZodType>>): Json {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema: schemaOf(schema) }]));
}

function parametersOf(route: Route): Json[] {
  const path = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  if (!route.query) return path;
  const { properties = {} } = schemaOf(route.query) as { properties?: Record<string, Json> };
  const query = Object.entries(properties).map(([name, schema]) => ({ name, in: "query", required: false, schema }));
  return [...path, ...query];
}

function operationOf(route: Route): Json {
  const answers = route.answers.map(({ status, description, content }) => [
    String(status),
    { description, ...(content && { content: contentOf(content) }) },
  ]);
  const [group = "", verb = ""] = route.action.split(".");
  return {
    operationId: verb + group.charAt(0).toUpperCase() + group.slice(1),
    summary: route.summary,
    parameters: parametersOf(route),
    ...(route.body && { requestBody: { content: contentOf({ "application/json": route.body }) } }),
    responses: {
      ...Object.fromEntries(answers),
      default: { description: "What is wrong (RFC 9457).", content: contentOf({ [PROBLEM_TYPE]: ProblemSchema }) },
    },
  };
}

/** The whole document as JSON text. */
export function openApiDocument(routes: readonly Route[], version: string): string {
  const paths: Record<string, Json> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  const schemas = Object.fromEntries(
    Object.entries(COMPONENTS).map(([name, schema]) => {
      const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
      return [name, rest];
    }),
  );
  return JSON.stringify({
    openapi: "3.1.0",
    info: { title: "tele", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    components: { schemas, securitySchemes: { mutualTLS: { type: "mutualTLS" } } },
    security: [{ mutualTLS: [] }],
    paths,
  });
}

/** Every mount point with its routes: the app's half of the same table. */
export function mountsOf(routes: readonly Route[]): Map<string, Route[]> {
  const mounts = new Map<string, Route[]>();
  for (const route of routes) {
    const { mount } = shapeOf(route.path);
    mounts.set(mount, [...(mounts.get(mount) ?? []), route]);
  }
  return mounts;
}
