import type { Job } from "#spec/job.ts";
import { command } from "../command.ts";
import { listCall, listJobs } from "../names.ts";
import { print, terminalWidth, wantsColor } from "../output.ts";
import { usageError } from "../usage-error.ts";

/** Fields of a filter that already say which states are wanted. */
const ABOUT_STATE = /\b(state|phase|reason|endTime)\b/;

export default command({
  name: "ps",
  description: "List jobs, the newest first",
  about: "Shows the jobs that run; with --all, or a filter on state, phase, reason or endTime, the closed ones too.",
  args: {
    all: { type: "boolean", alias: "a", description: "Closed jobs too" },
    filter: {
      type: "string",
      alias: "f",
      valueHint: "FILTER",
      description: "Only these: 'state = FAILED AND owner = ann'",
    },
    label: {
      type: "string",
      alias: "l",
      repeat: true,
      valueHint: "KEY=VALUE",
      description: "Only jobs with this label",
    },
    trunc: { type: "boolean", default: true, negativeDescription: "Show names and commands in full" },
  },
  examples: [
    "tele ps -a",
    "tele ps -l app=web",
    "tele ps -a --filter 'reason = OOM_KILLED'",
    "tele ps --format '{{.name}} {{.pid}}'",
  ],
  run: async ({ flags, globals, client }) => {
    const filter = filterOf(flags.all, flags.filter, flags.label);
    if (globals.curl) {
      print(`${client.curl(listCall({ filter }))}\n`);
      return 0;
    }
    if (globals.quiet && !globals.json && globals.format === undefined) {
      for await (const job of listJobs(client, { filter })) print(`${job.name}\n`);
      return 0;
    }
    if (globals.format !== undefined) {
      const { compileTemplate } = await import("../render/template.ts");
      const line = compileTemplate(globals.format);
      for await (const job of listJobs(client, { filter })) print(`${line(job)}\n`);
      return 0;
    }
    // The table's code loads while the server answers.
    const loading = Promise.all([import("../render/jobs.ts"), import("../render/color.ts")]);
    const jobs: Job[] = [];
    for await (const job of listJobs(client, { filter })) jobs.push(job);
    if (globals.json) {
      print(`${JSON.stringify({ jobs }, null, 2)}\n`);
      return 0;
    }
    const [{ renderJobs }, { painter }] = await loading;
    print(renderJobs(jobs, Date.now(), { trunc: flags.trunc, width: terminalWidth(), paint: painter(wantsColor(1)) }));
    return 0;
  },
});

function filterOf(all: boolean, filter: string | undefined, labels: readonly string[]): string | undefined {
  const terms = labels.map((label) => {
    const at = label.indexOf("=");
    if (at <= 0)
      throw usageError(`--label ${JSON.stringify(label)} is no KEY=VALUE`, "write it as in: --label app=web");
    return `labels.${label.slice(0, at)} = ${JSON.stringify(label.slice(at + 1))}`;
  });
  if (filter?.trim()) terms.unshift(filter);
  if (!all && !ABOUT_STATE.test(filter ?? "")) terms.push("phase = OPEN");
  return terms.length === 0 ? undefined : terms.join(" AND ");
}
