/** Routes as data: the same table mounts them and makes the OpenAPI document. */
import type { z } from "zod";
import type { Fault } from "#errors";
import type { Job } from "#spec/job.ts";
import type { Action, Decision } from "./authorization.ts";
import type { Ctx, Parts } from "./env.ts";
import type { Identity } from "./identity.ts";

/** What a handler gets. */
export interface Call<Query, Body> {
  readonly c: Ctx;
  readonly parts: Parts;
  readonly who: Identity;
  readonly query: Query;
  readonly body: Body;
  /** The job that the path names, which the caller may see; its id without `jobs/`. Throws on a route without `{id}`. */
  readonly job: Job;
  readonly id: string;
}

/** One answer as the document tells it. */
export interface AnswerShape {
  readonly status: number;
  readonly description: string;
  /** By media type; none for an empty answer. */
  readonly content?: Readonly<Record<string, z.ZodType>>;
}

export interface RouteShape<Query extends z.ZodType, Body extends z.ZodType> {
  readonly method: "GET" | "POST" | "DELETE";
  /** As in OpenAPI: `/v1/jobs/{id}:stop`. */
  readonly path: string;
  readonly action: Action;
  readonly summary: string;
  readonly query?: Query;
  /** An empty body is `{}`, so that a body of optional fields may be left out. */
  readonly body?: Body;
  readonly answers: readonly AnswerShape[];
  /** Whether `job` is looked up with live usage. */
  readonly live?: boolean;
  /** Whether the answer may take as long as a job. */
  readonly long?: boolean;
  /** Whether the caller may ask for this body, where it is not enough that he may do the action. */
  readonly allows?: (who: Identity, body: z.output<Body>) => Decision;
  /** What else is wrong with a body that its schema refuses. */
  readonly examine?: (call: { parts: Parts; who: Identity }, body: unknown, error: z.ZodError) => Fault[];
  readonly handle: (call: Call<z.output<Query>, z.output<Body>>) => Response | Promise<Response>;
}

/** A route whose handler's types are settled. */
export type Route = RouteShape<z.ZodType, z.ZodType>;

/** Types the handler's `query` and `body` by their schemas. */
export function route<Query extends z.ZodType = z.ZodType<undefined>, Body extends z.ZodType = z.ZodType<undefined>>(
  shape: RouteShape<Query, Body>,
): Route {
  return shape;
}
