/** Pages of a list: an opaque token says where the next one begins, and only for the list that it came from. */
import { createHash } from "node:crypto";
import { TeleError } from "#errors";
import { cursorOf } from "#runtime/store/cursor.ts";
import type { Job } from "#spec/job.ts";
import type { Predicate } from "./filter.ts";

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1000;
/** Most jobs that one request looks at: a filter that matches little gives short pages, not a blocked server (AIP-158). */
const MAX_SCAN = 20_000;

export interface Page {
  readonly jobs: readonly Job[];
  /** Absent at the end of the list. */
  readonly nextPageToken?: string;
}

/** The page size to use; as AIP-158 has it, 0 means the default and too much means the most. */
export function pageSizeOf(asked: number | undefined): number {
  return Math.min(asked || DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
}

/** `createTime` or `createTime asc|desc`; newest first by default. True for descending. */
export function parseOrder(text: string | undefined): boolean {
  const match = /^\s*createTime(?:\s+(asc|desc))?\s*$/i.exec(text ?? "createTime desc");
  if (!match)
    throw new TeleError("INVALID_ARGUMENT", {
      detail: `orderBy cannot be ${JSON.stringify(text)}`,
      hint: 'it can be "createTime asc" or "createTime desc"',
      faults: [{ pointer: "?orderBy", detail: 'must be "createTime asc" or "createTime desc"' }],
    });
  return match[1]?.toLowerCase() === "desc";
}

/** What a token is bound to: the caller, the filter and the order. */
export function listKey(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, 16);
}

/** A token that continues after the place of this cursor. */
export function encodeToken(key: string, after: string): string {
  return Buffer.from(`${key}${after}`).toString("base64url");
}

/** The cursor after which to continue; throws INVALID_ARGUMENT for a token of another list. */
export function decodeToken(key: string, token: string): string {
  const text = Buffer.from(token, "base64url").toString();
  if (text.startsWith(key) && text.length > key.length) return text.slice(key.length);
  throw new TeleError("INVALID_ARGUMENT", {
    detail: "pageToken does not belong to this list",
    hint: "use it with the same filter, orderBy and certificate as the page before, or begin again without it",
    faults: [{ pointer: "?pageToken", detail: "does not belong to this list" }],
  });
}

/** Takes one page off a list, and not a job more than it needs. */
export function takePage(jobs: Iterable<Job>, matches: Predicate, pageSize: number, key: string): Page {
  const page: Job[] = [];
  let last = "";
  let scanned = 0;
  for (const job of jobs) {
    // One job too many proves that there is a next page.
    if (page.length === pageSize || scanned === MAX_SCAN) return { jobs: page, nextPageToken: encodeToken(key, last) };
    scanned++;
    last = cursorOf(job);
    if (matches(job)) page.push(job);
  }
  return { jobs: page };
}
