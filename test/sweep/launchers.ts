/** Processes that wait to launch one program each and then to be killed; one is always being started ahead. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Task } from "./launcher.ts";

/** What a launcher has launched. */
export interface Tether {
  readonly pid: number;
  /** Path of the read end of its report, while the launcher lives. */
  readonly report: string;
}

/** A process that can launch once. */
export interface Launcher {
  /** Fails with the launch's fault. */
  launch(task: Task): Promise<Tether>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

/** Launchers, so many of them started ahead. */
export function launchers(ahead: number): { next(): Launcher; close(): Promise<void> } {
  const waiting = Array.from({ length: ahead }, begin);
  return {
    next() {
      waiting.push(begin());
      return waiting.shift() as Launcher;
    },
    async close() {
      await Promise.all(waiting.splice(0).map((launcher) => launcher.kill()));
    },
  };
}

function begin(): Launcher {
  const child = spawn(process.execPath, [join(import.meta.dirname, "launcher.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const gone = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const answer = new Promise<Tether>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", (line) => {
      const said = JSON.parse(line) as Tether & { fault?: string };
      if (said.fault === undefined) resolve(said);
      else reject(new Error(said.fault));
    });
    void gone.then(() => reject(new Error("the launcher has ended")));
  });
  answer.catch(() => undefined);
  child.stdin.on("error", () => undefined);
  return {
    launch(task) {
      child.stdin.write(`${JSON.stringify(task)}\n`);
      return answer;
    },
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
