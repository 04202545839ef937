import { command } from "../command.ts";
import { idOf, withJob } from "../names.ts";
import { note, print, sameSink, writeAll } from "../output.ts";
import type { Frame, WatchQuery } from "../watch-output.ts";

export default command({
  name: "watch",
  description: "Show a job's output from its first byte, then follow it to the end",
  about:
    "What the job wrote to stdout goes to stdout, and stderr to stderr. A connection that breaks is resumed where it " +
    "was. Interrupting a watch does nothing to the job.",
  args: {
    job: {
      type: "positional",
      required: true,
      valueHint: "JOB",
      description: "Name or beginning of it",
      completes: "job",
    },
    follow: { type: "boolean", alias: "f", default: true, negativeDescription: "End with what there is now" },
    stream: {
      type: "enum",
      options: ["all", "stdout", "stderr"],
      description: "Only this one; all goes to stdout as one",
    },
    since: { type: "string", valueHint: "TIME", description: "From this time on: 10m, or 2026-11-22T12:00:00Z" },
    tail: { type: "string", alias: "n", valueHint: "N", description: "Only the last N lines, then follow" },
    timestamps: { type: "boolean", alias: "t", description: "The time before each line" },
  },
  examples: ["tele watch backup", "tele watch --no-follow --stream stderr backup", "tele watch --tail 10 -t backup"],
  run: async ({ flags, globals, client }) => {
    const { bytesCall, framesCall, watchBytes, watchFrames } = await import("../watch-output.ts");
    const { stream, follow, since, tail } = flags;
    const query: WatchQuery = { stream: stream === "all" ? undefined : stream, follow, since, tail };
    // Frames cost more than bytes, and are needed only to tell times, or where a tail began.
    const asBytes = !globals.json && !flags.timestamps && since === undefined && tail === undefined;
    // Two sinks are two requests, each as fast as one: between them there is no order that anybody could see.
    const apart = stream === undefined && !sameSink();
    if (globals.curl) {
      const id = idOf(flags.job);
      print(`${client.curl(globals.json || flags.timestamps ? framesCall(id, query) : bytesCall(id, query), true)}\n`);
      return 0;
    }
    const onRetry = (): void => {
      if (!globals.quiet) note("tele: the connection broke; trying again\n");
    };
    await withJob(client, flags.job, async (id) => {
      const bytesTo = (fd: 1 | 2, only: WatchQuery): Promise<void> =>
        watchBytes(client, id, only, (bytes) => writeAll(fd, bytes), onRetry);
      if (asBytes && apart) {
        await Promise.all([bytesTo(1, { ...query, stream: "stdout" }), bytesTo(2, { ...query, stream: "stderr" })]);
        return;
      }
      if (asBytes) return bytesTo(1, query);
      const write = flags.timestamps ? stamped() : plain(stream !== undefined);
      await watchFrames(
        client,
        id,
        query,
        (line, frame) => (globals.json ? print(`${line}\n`) : frame && write(frame)),
        onRetry,
      );
    });
    return 0;
  },
});

function plain(together: boolean): (frame: Frame) => void {
  return ({ stream, bytes }) => writeAll(stream === "stderr" && !together ? 2 : 1, bytes);
}

const NEWLINE = 10;

/** Puts a line's time before it; a line may come in several frames, and the two streams by turns. */
function stamped(): (frame: Frame) => void {
  const inLine = { stdout: false, stderr: false };
  return ({ stream, time, bytes }) => {
    const parts: Uint8Array[] = [];
    for (let from = 0; from < bytes.length; ) {
      const at = bytes.indexOf(NEWLINE, from);
      const to = at === -1 ? bytes.length : at + 1;
      if (!inLine[stream]) parts.push(Buffer.from(`${time} `));
      parts.push(bytes.subarray(from, to));
      inLine[stream] = at === -1;
      from = to;
    }
    writeAll(stream === "stderr" ? 2 : 1, Buffer.concat(parts));
  };
}
