/** A supervisor of its own for one test: its state directory, its cgroup name, and nothing left behind. */
import { test } from "bun:test";
import { randomUUID } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TeleError } from "#errors";
import { openSupervisor, type Supervisor, type SupervisorOptions } from "#runtime/supervisor.ts";
import type { Job } from "#spec/job.ts";
import { type JobSpec, type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";
import { expectNoLeaks, type Place } from "./leaks.ts";
import { need } from "./needs.ts";
import { until } from "./until.ts";

/** How long one test may take: the machine is shared. */
export const TEST_MS = 120_000;

export interface Bench extends Place {
  /** The supervisor as it is now: `reopen` makes another. */
  readonly supervisor: Supervisor;
  /** Starts `/bin/sh -c script`, by default with all the CPU time it can use. */
  sh(script: string, spec?: Partial<JobSpecInput>, id?: string): Promise<Job>;
  start(spec: Partial<JobSpecInput>, id?: string): Promise<Job>;
  /** Waits for the end. */
  ended(job: Job | string): Promise<Job>;
  /** Starts `/bin/sh -c script` and waits for its end: the job and its output. */
  run(script: string, spec?: Partial<JobSpecInput>): Promise<{ job: Job; text: string }>;
  /** Output of a job until now. */
  text(job: Job | string): string;
  /** Closes the supervisor as a daemon that ends, and opens the next on the same state. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** Waits until a job has written this, whole or among other things. */
export function waitForText(bench: Bench, job: Job | string, text: string): Promise<boolean> {
  return until(`${idOf(job)} has written ${JSON.stringify(text)}`, () => bench.text(job).includes(text));
}

/** The error that a promise is rejected with. */
export async function refusal(promise: Promise<unknown>): Promise<TeleError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof TeleError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

let made = 0;

/** The bare id of a job. */
export function idOf(job: Job | string): string {
  return (typeof job === "string" ? job : job.name).replace(/^jobs\//, "");
}

/** A validated spec whose jobs are not slowed down by the default share of the CPU. */
export function specOf(spec: Partial<JobSpecInput>): JobSpec {
  return JobSpecSchema.parse({ command: ["/bin/true"], ...spec, limits: { cpus: 4, ...spec.limits } });
}

/** A place that no other test uses. */
export function makePlace(parent = tmpdir()): Place {
  made += 1;
  const stateDirectory = join(mkdtempSync(join(parent, "tele-test-")), "state");
  return { stateDirectory, cgroupName: `tele-test-${randomUUID().slice(0, 8)}-${made}` };
}

/** Opens a supervisor in a place. */
export async function openBench(place: Place, options: Partial<SupervisorOptions> = {}): Promise<Bench> {
  need("root", "cgroup");
  const open = (): Promise<Supervisor> =>
    openSupervisor({
      ...place,
      hide: [],
      fatal: (error) => {
        throw error;
      },
      ...options,
    });
  let supervisor: Supervisor | undefined = await open();
  const now = (): Supervisor => {
    if (!supervisor) throw new Error("the supervisor is closed");
    return supervisor;
  };
  const bench: Bench = {
    ...place,
    get supervisor() {
      return now();
    },
    start: (spec, id) => now().start({ spec: specOf(spec), owner: "tester", ...(id !== undefined && { id }) }),
    sh: (script, spec, id) => bench.start({ command: ["/bin/sh", "-c", script], ...spec }, id),
    async ended(job) {
      const ended = await now().wait(idOf(job), AbortSignal.timeout(TEST_MS / 2));
      if (ended.phase !== "CLOSED") throw new Error(`${ended.name} has not ended: ${ended.reason}`);
      return ended;
    },
    async run(script, spec) {
      const job = await bench.ended(await bench.sh(script, spec));
      return { job, text: bench.text(job) };
    },
    text(job) {
      const output = now().output(idOf(job));
      return output ? readFileSync(output.dataPath, "utf8") : "";
    },
    async reopen() {
      await bench.close();
      supervisor = await open();
    },
    async close() {
      const last = supervisor;
      supervisor = undefined;
      await last?.close();
    },
  };
  return bench;
}

/** Ends and forgets every job, so that nothing of them may be left. */
export async function clear({ supervisor }: Bench): Promise<void> {
  const ids = [...supervisor.list({})].map(({ name }) => idOf(name));
  await Promise.all(
    ids.map(async (id) => {
      await supervisor.stop(id, { by: "test", graceMs: 0 });
      await supervisor.wait(id, AbortSignal.timeout(TEST_MS / 2));
      await supervisor.remove(id);
    }),
  );
}

/** A test with a supervisor of its own, after which nothing is left. */
export function supervised(
  what: string,
  body: (bench: Bench) => Promise<void>,
  options: Partial<SupervisorOptions> = {},
): void {
  test(
    what,
    async () => {
      await warmUp();
      const place = makePlace();
      try {
        await expectNoLeaks(place, async () => {
          const bench = await openBench(place, options);
          try {
            await body(bench);
          } finally {
            try {
              await clear(bench);
            } finally {
              await bench.close();
            }
          }
        });
      } finally {
        rmSync(join(place.stateDirectory, ".."), { recursive: true, force: true });
      }
    },
    TEST_MS,
  );
}

let warm: Promise<void> | undefined;

/** What a runtime opens once and keeps (an event loop's own descriptors, libraries) is no leak of ours. */
export function warmUp(): Promise<void> {
  warm ??= (async () => {
    execFileSync("true");
    const place = makePlace();
    const bench = await openBench(place);
    await bench.run("true");
    await clear(bench);
    await bench.close();
    rmSync(join(place.stateDirectory, ".."), { recursive: true, force: true });
  })();
  return warm;
}
