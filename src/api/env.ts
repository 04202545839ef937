/** What a request carries through the app beside its URL. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Context } from "hono";
import type { Jobs } from "#runtime/jobs.ts";
import type { Audit } from "./audit.ts";
import type { Idempotency } from "./idempotency.ts";
import type { Identity } from "./identity.ts";
import type { HostInfo } from "./schemas.ts";

/** What the app needs of the rest of the daemon. */
export interface ApiParts {
  readonly jobs: Jobs;
  readonly audit: Audit;
  readonly host: () => HostInfo;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  /** Told of faults of ours, of which a client hears no more than INTERNAL or a broken stream. */
  readonly report?: (error: unknown) => void;
}

/** The same with what the app keeps for itself. */
export interface Parts extends ApiParts {
  readonly clock: () => number;
  readonly idempotency: Idempotency;
  /** The OpenAPI document. */
  readonly document: () => string;
}

/** What the listener knows of a request. HTTP/2's compatibility classes have the same methods as these two. */
export interface Bindings {
  readonly identity: Identity;
  /** Address of the client. */
  readonly remote: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Says that this response may take as long as the job it is about. */
  readonly beLong: () => void;
}

/** Hono's context of ours. */
export type Ctx = Context<{ Bindings: Bindings }>;
