import type { Job } from "#spec/job.ts";
import type { Call } from "../client.ts";
import { command } from "../command.ts";
import { durationValue } from "../duration.ts";
import { forEachName } from "../each.ts";
import { idOf, jobPath, withJob } from "../names.ts";
import { print } from "../output.ts";
import { signalName } from "../signals.ts";
import { waitForEnd } from "../wait-for-end.ts";

export default command({
  name: "stop",
  description: "Stop jobs: SIGTERM first, SIGKILL for everything after the grace time",
  about: "Prints the name of each job once it has ended. Stopping a job that has ended is no error.",
  args: {
    job: {
      type: "positional",
      required: true,
      repeat: true,
      valueHint: "JOB",
      description: "Name or beginning of it",
      completes: "job",
    },
    signal: {
      type: "string",
      alias: "s",
      valueHint: "SIGNAL",
      description: "First signal (default TERM)",
      completes: "signal",
    },
    grace: {
      type: "string",
      alias: ["t", "time"],
      valueHint: "TIME",
      description: "Time until SIGKILL, such as 30s (default 5s)",
    },
    wait: {
      type: "boolean",
      default: true,
      description: "Wait for the end",
      negativeDescription: "Do not wait for the end",
    },
  },
  examples: ["tele stop backup", "tele stop -s INT -t 30s backup", "tele stop $(tele ps -q)"],
  run: async ({ flags, globals, client }) => {
    const body: { signal?: string; grace?: string } = {};
    if (flags.signal !== undefined) body.signal = await signalName(flags.signal);
    if (flags.grace !== undefined) body.grace = durationValue("--grace", flags.grace);
    const call = (id: string): Call => ({ method: "POST", path: jobPath(id, ":stop"), body });
    if (globals.curl) {
      for (const word of flags.job) print(`${client.curl(call(idOf(word)))}\n`);
      return 0;
    }
    return forEachName(flags.job, (word) =>
      withJob(client, word, async (id) => {
        let job = await client.json<Job>(call(id));
        if (flags.wait && job.phase === "OPEN") job = await waitForEnd(client, id);
        print(globals.json ? `${JSON.stringify(job, null, 2)}\n` : `${job.name}\n`);
      }),
    );
  },
});
