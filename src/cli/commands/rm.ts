import type { Job } from "#spec/job.ts";
import type { Call } from "../client.ts";
import { command } from "../command.ts";
import { forEachName } from "../each.ts";
import { idOf, jobPath, withJob } from "../names.ts";
import { print } from "../output.ts";
import { waitForEnd } from "../wait-for-end.ts";

export default command({
  name: "rm",
  description: "Forget closed jobs and their output",
  args: {
    job: {
      type: "positional",
      required: true,
      repeat: true,
      valueHint: "JOB",
      description: "Name or beginning of it",
      completes: "job",
    },
    force: { type: "boolean", alias: "f", description: "Kill a job that still runs first" },
  },
  examples: ["tele rm backup", "tele rm -f web", "tele rm $(tele ps -q -a --filter 'state = COMPLETED')"],
  run: ({ flags, globals, client }) => {
    const stop = (id: string): Call => ({
      method: "POST",
      path: jobPath(id, ":stop"),
      body: { signal: "SIGKILL", grace: "0s" },
    });
    const remove = (id: string): Call => ({ method: "DELETE", path: jobPath(id) });
    if (globals.curl) {
      for (const word of flags.job) {
        const id = idOf(word);
        for (const call of flags.force ? [stop(id), remove(id)] : [remove(id)]) print(`${client.curl(call)}\n`);
      }
      return 0;
    }
    return forEachName(flags.job, (word) =>
      withJob(client, word, async (id) => {
        if (flags.force && (await client.json<Job>(stop(id))).phase === "OPEN") await waitForEnd(client, id);
        await client.json<unknown>(remove(id));
        print(globals.json ? `${JSON.stringify({ name: `jobs/${id}` })}\n` : `jobs/${id}\n`);
      }),
    );
  },
});
