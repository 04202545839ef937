import type { Job } from "#spec/job.ts";
import { command } from "../command.ts";
import { forEachName } from "../each.ts";
import { idOf, jobPath, withJob } from "../names.ts";
import { print, wantsColor } from "../output.ts";
import { show } from "../show.ts";

export default command({
  name: "status",
  description: "Show everything about a job",
  about: "State, end, use of resources now, every limit with what holds it, and its sandbox.",
  args: {
    job: {
      type: "positional",
      required: true,
      repeat: true,
      valueHint: "JOB",
      description: "Name or beginning of it",
      completes: "job",
    },
  },
  examples: [
    "tele status jobs/backup",
    "tele status backup --json",
    "tele status backup --format '{{.state}} {{.usage.memoryBytes}}'",
  ],
  run: ({ flags, globals, client }) => {
    const call = (id: string) => ({ method: "GET", path: jobPath(id) }) as const;
    if (globals.curl) {
      for (const word of flags.job) print(`${client.curl(call(idOf(word)))}\n`);
      return 0;
    }
    let first = true;
    return forEachName(flags.job, async (word) => {
      const [job, { renderStatus }, { painter }] = await Promise.all([
        withJob(client, word, (id) => client.json<Job>(call(id))),
        import("../render/status.ts"),
        import("../render/color.ts"),
      ]);
      await show(globals, job, () => {
        const page = renderStatus(job, Date.now(), painter(wantsColor(1)));
        return first ? page : `\n${page}`;
      });
      first = false;
    });
  },
});
