import type { Job } from "#spec/job.ts";
import type { Call, Client } from "./client.ts";
import { jobPath } from "./names.ts";
import { retries } from "./retry.ts";

/** One long poll of a wait: the server answers at the end of the job, or after this time with the open job. */
export function waitCall(id: string): Call {
  return { method: "POST", path: jobPath(id, ":wait"), body: { timeout: "60s" }, timeoutMs: 90_000 };
}

/** The job once it has ended, however long that takes; a server that restarts meanwhile is asked again. */
export async function waitForEnd(client: Client, id: string): Promise<Job> {
  const attempts = retries();
  let met = false;
  for (;;) {
    try {
      const job = await client.json<Job>(waitCall(id));
      met = true;
      attempts.progress();
      if (job.phase === "CLOSED") return job;
    } catch (error) {
      // A server that was never reached is a mistake to tell at once.
      if (!met && (error as { fields?: { errno?: string } }).fields?.errno === "ECONNREFUSED") throw error;
      await attempts.again(error);
    }
  }
}
