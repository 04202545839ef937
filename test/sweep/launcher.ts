/** Launches one program, says so, and stays until it is killed: what a tether's parent is to it. */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type Means, start } from "./start.ts";

/** One line of its standard input. */
export interface Task {
  readonly means: Means;
  /** Path of the tether. */
  readonly tether: string;
}

createInterface({ input: process.stdin }).once("line", (line) => {
  const { means, tether } = JSON.parse(line) as Task;
  try {
    const { pid, report } = start(means, readFileSync(tether));
    process.stdout.write(`${JSON.stringify({ pid, report: `/proc/${process.pid}/fd/${report}` })}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ fault: String(error) })}\n`);
  }
});
setInterval(() => undefined, 1 << 30);
