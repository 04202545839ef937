/** Plain processes in a job's cgroups, without the runtime: a shell that joins them as the workload would. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import type { JobCgroup } from "#host/cgroup/job.ts";

/** A started shell and what became of it. */
export interface Inside {
  readonly pid: number;
  /** What it has printed so far. */
  stdout(): string;
  /** Resolves when it has ended and its pipes are closed. */
  readonly ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>;
}

/** Starts `sh -c script` in the job's cgroups by the descriptors that the job hands out, and closes those. */
export function startInside(job: JobCgroup, script: string): Inside {
  const joins = job.tasks.map((_, index) => `echo 0 >&${3 + index}`);
  const extra = [...job.tasks];
  if (job.directory !== undefined) {
    joins.push(`echo 0 > /proc/self/fd/${3 + extra.length}/cgroup.procs`);
    extra.push(job.directory);
  }
  const closing = extra.map((_, index) => `${3 + index}>&-`).join(" ");
  const child = spawn("sh", ["-c", `${joins.join(" && ")} && exec ${closing}\n${script}`], {
    stdio: ["ignore", "pipe", "pipe", ...extra],
  }) as unknown as ChildProcessByStdio<null, Readable, Readable>;
  job.closeDescriptors();
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    stdout,
    stderr,
  }));
  return { pid: child.pid!, stdout: () => stdout, ended };
}

/** Asks again every 10 ms until the answer is one, or fails with what it waited for. */
export async function until<T>(what: string, seconds: number, ask: () => T | undefined | false): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const answer = ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`after ${seconds} s still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Kills everything in the job and takes its directories away. */
export async function finish(job: JobCgroup): Promise<void> {
  await until("every process of the job is gone", 20, () => {
    for (const pid of job.procs()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {}
    }
    return job.procs().length === 0;
  });
  await job.remove();
}
