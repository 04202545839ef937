/** Jobs as people name them: `jobs/ID`, `ID`, or a prefix that only one job has. */
import { TeleError } from "#errors";
import { HINTS } from "#hints";
import type { Job } from "#spec/job.ts";
import type { Client } from "./client.ts";
import { nearest } from "./nearest.ts";
import { usageError } from "./usage-error.ts";

const ID = /^[0-9a-z][0-9a-z-]{0,62}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A caller's own name for a job begins with a letter, so what begins with a digit is a UUID or the beginning of one. */
const OWN = /^[a-z]/;
/** Candidates to name when a prefix fits several. */
const SHOWN = 5;

/** The bare id, or prefix, in a word. INVALID_ARGUMENT when it can be no job's name. */
export function idOf(word: string): string {
  const id = word.replace(/^jobs\//, "");
  if (ID.test(id)) return id;
  throw usageError(`${JSON.stringify(word)} is no job's name`, "write jobs/ID, or the first characters of ID");
}

/** The path of a job's resource, with a custom method behind it where given. */
export function jobPath(id: string, method = ""): string {
  return `/v1/jobs/${id}${method}`;
}

/**
 * Does `act` with the id that a word means: as it stands first, and, when no job is called that, with the one whose
 * name begins so. NOT_FOUND when none does, INVALID_ARGUMENT naming the candidates when several do.
 */
export async function withJob<T>(client: Client, word: string, act: (id: string) => Promise<T>): Promise<T> {
  const id = idOf(word);
  if (UUID.test(id)) return act(id);
  if (OWN.test(id)) {
    try {
      return await act(id);
    } catch (error) {
      if (!(error instanceof TeleError) || error.code !== "NOT_FOUND") throw error;
    }
  }
  return act(await resolvePrefix(client, id));
}

async function resolvePrefix(client: Client, prefix: string): Promise<string> {
  const ids: string[] = [];
  for await (const job of listJobs(client, {})) ids.push(job.name.replace(/^jobs\//, ""));
  const fitting = ids.filter((id) => id.startsWith(prefix));
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return only;
  if (fitting.length > 1) {
    const more = fitting.length > SHOWN ? `, and ${fitting.length - SHOWN} more` : "";
    throw usageError(
      `${prefix} is the beginning of ${fitting.length} jobs' names`,
      `write more of it: ${fitting.slice(0, SHOWN).join(", ")}${more}`,
    );
  }
  const meant = OWN.test(prefix)
    ? await nearest(
        prefix,
        ids.filter((id) => !UUID.test(id)),
      )
    : undefined;
  throw new TeleError("NOT_FOUND", {
    detail: `no job is called ${prefix}`,
    hint: meant ? `did you mean ${meant}?` : HINTS.listJobs,
  });
}

/** What to list. */
export interface ListQuery {
  readonly filter?: string | undefined;
  readonly orderBy?: string | undefined;
}

/** How many pages a listing may have: an end for a server that forgets where it was. */
const MAX_PAGES = 10_000;

/** The first request of a listing. */
export function listCall(query: ListQuery, pageToken?: string) {
  return { method: "GET", path: "/v1/jobs", query: { ...query, pageSize: 1000, pageToken } } as const;
}

/** Every job that fits, page by page. */
export async function* listJobs(client: Client, query: ListQuery): AsyncGenerator<Job> {
  let pageToken: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await client.json<{ jobs?: Job[]; nextPageToken?: string }>(listCall(query, pageToken));
    yield* answer.jobs ?? [];
    pageToken = answer.nextPageToken;
    if (!pageToken) return;
  }
}
