import type { Job } from "#spec/job.ts";
import { command } from "../command.ts";
import { forEachName } from "../each.ts";
import { EXIT, exitOfJob } from "../exit.ts";
import { idOf, withJob } from "../names.ts";
import { note, print } from "../output.ts";
import { waitCall, waitForEnd } from "../wait-for-end.ts";

export default command({
  name: "wait",
  description: "Wait for jobs to end, and print their exit codes",
  about:
    "Prints one number for each job, in the order given, 128+n for a job ended by signal n. Of one job, the exit " +
    "status is the job's own; of several it is 0 when all of them were 0, else 1.",
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
  examples: ["tele wait backup && echo fine", "tele wait --json backup | jq .end.reason"],
  run: async ({ flags, globals, client }) => {
    if (globals.curl) {
      for (const word of flags.job) print(`${client.curl(waitCall(idOf(word)))}\n`);
      return EXIT.OK;
    }
    const statuses: number[] = [];
    const failed = await forEachName(flags.job, async (word) => {
      const job = await withJob(client, word, (id) => waitForEnd(client, id));
      const status = job.end ? exitOfJob(job.end) : EXIT.TELE_FAILED;
      statuses.push(status);
      if (!globals.quiet && job.reason !== "EXITED") note(`${job.name}: ${await reasonText(job)}\n`);
      print(globals.json ? `${JSON.stringify(job, null, 2)}\n` : `${status}\n`);
    });
    if (failed !== EXIT.OK) return failed;
    if (flags.job.length === 1) return statuses[0];
    return statuses.every((status) => status === 0) ? EXIT.OK : EXIT.FAILED;
  },
});

async function reasonText(job: Job): Promise<string> {
  if (!job.end) return job.reason;
  const { endText } = await import("../render/job.ts");
  const said = `${job.reason}, ${endText(job.end)}`;
  return job.end.message === undefined ? said : `${said}: ${job.end.message}`;
}
