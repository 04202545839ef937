import type { Call } from "../client.ts";
import { command } from "../command.ts";
import { forEachName } from "../each.ts";
import { idOf, jobPath, withJob } from "../names.ts";
import { print } from "../output.ts";
import { signalName } from "../signals.ts";

export default command({
  name: "kill",
  description: "Send a signal to the main process of jobs",
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
      default: "KILL",
      valueHint: "SIGNAL",
      description: "Name or number",
      completes: "signal",
    },
  },
  examples: ["tele kill backup", "tele kill -s HUP web"],
  run: async ({ flags, globals, client }) => {
    const signal = await signalName(flags.signal);
    const call = (id: string): Call => ({ method: "POST", path: jobPath(id, ":signal"), body: { signal } });
    if (globals.curl) {
      for (const word of flags.job) print(`${client.curl(call(idOf(word)))}\n`);
      return 0;
    }
    return forEachName(flags.job, (word) =>
      withJob(client, word, async (id) => {
        const answer = await client.json<unknown>(call(id));
        print(globals.json ? `${JSON.stringify(answer ?? {}, null, 2)}\n` : `jobs/${id}\n`);
      }),
    );
  },
});
