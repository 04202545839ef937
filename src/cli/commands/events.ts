import type { JobEvent } from "#spec/job.ts";
import type { Call } from "../client.ts";
import { command } from "../command.ts";
import { droppedError, isDrop } from "../dropped.ts";
import { print, wantsColor } from "../output.ts";

export default command({
  name: "events",
  description: "Follow what happens to jobs, until interrupted",
  args: {},
  examples: ["tele events", "tele events --format '{{.type}} {{.job.name}} {{.job.reason}}'"],
  run: async ({ globals, client }) => {
    const call: Call = { method: "GET", path: "/v1/events", headers: { accept: "text/event-stream" } };
    if (globals.curl) {
      print(`${client.curl(call, true)}\n`);
      return 0;
    }
    const [{ eventsOf }, { compileTemplate }, { paintState, stateText, commandLine }, { painter }] = await Promise.all([
      import("../sse.ts"),
      import("../render/template.ts"),
      import("../render/job.ts"),
      import("../render/color.ts"),
    ]);
    const paint = painter(wantsColor(1));
    const template = globals.format === undefined ? undefined : compileTemplate(globals.format);
    const show = (data: string): void => {
      const event = JSON.parse(data) as JobEvent;
      const { time, type, job } = event;
      if (globals.json) print(`${data}\n`);
      else if (template) print(`${template(event)}\n`);
      else {
        const when = time.replace(/\.\d+Z$/, "Z");
        const state = paintState(paint, job, stateText(job));
        print(`${when}  ${type.padEnd(12)}  ${job.name}  ${state}  ${commandLine(job)}\n`);
      }
    };
    try {
      for await (const { data } of eventsOf(await client.stream(call))) show(data);
    } catch (error) {
      throw isDrop(error) ? droppedError("run it again; what happened meanwhile is in tele ps -a", error) : error;
    }
    return 0;
  },
});
