import type { Job } from "#spec/job.ts";
import type { Call } from "../client.ts";
import { command } from "../command.ts";
import { inFlags } from "../flag-faults.ts";
import { JOB_FLAGS, toSpec } from "../job-flags.ts";
import { print } from "../output.ts";

export default command({
  name: "start",
  description: "Start a job and print its name",
  about:
    "The job runs in namespaces and limits of its own, apart from this terminal, until it ends or is stopped. Its " +
    "output is kept: see `tele watch`. Everything after -- is the job's command.",
  args: {
    name: { type: "string", valueHint: "ID", description: "Name for the job: a-z, 0-9 and -, letter first" },
    ...JOB_FLAGS,
  },
  trailing: { valueHint: "COMMAND [ARG...]", required: true },
  examples: [
    "tele start -- /bin/sh -c 'sleep 30 && echo hello'",
    "tele start --name backup --memory 1Gi --cpus 0.5 -e LEVEL=9 -- ./backup.sh",
    "tele watch $(tele start -- ls -l /)",
  ],
  run: async ({ flags, globals, trailing, client }) => {
    const body = await toSpec(flags, trailing, process.env);
    const call: Call = { method: "POST", path: "/v1/jobs", query: { jobId: flags.name }, body };
    if (globals.curl) {
      print(`${client.curl(call)}\n`);
      return 0;
    }
    const job = await client.json<Job>(call).catch(async (error: unknown) => {
      throw await inFlags(error, flags, "tele start");
    });
    if (!globals.json && globals.format === undefined) {
      print(`${job.name}\n`);
      return 0;
    }
    const { show } = await import("../show.ts");
    await show(globals, job, () => "");
    return 0;
  },
});
