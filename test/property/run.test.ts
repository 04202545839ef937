// Random valid specs through the core of a real daemon: each start has an end that its spec explains, the sandbox is
// what its policy says, and nothing stays behind.
import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { TeleError } from "#errors";
import { DEFAULT_PATH } from "#program/phases/99-exec.ts";
import { lookupUser } from "#host/users.ts";
import { admit, daemonHost } from "#runtime/admission.ts";
import { programOf } from "#runtime/start.ts";
import type { Job } from "#spec/job.ts";
import { policyOf } from "#spec/policy.ts";
import { type JobSpec, type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";
import { expectNoLeaks } from "#test/support/leaks.ts";
import { type Bench, clear, makePlace, openBench, warmUp } from "#test/support/supervisor.ts";
import { type Folder, makeFolder } from "./folder.ts";
import { isInSchema } from "./pointers.ts";
import { expectSandbox, probe } from "./probe.ts";
import { RUN_MS, settings, testMs } from "./settings.ts";
import { commands, FELT, specs, texts, UNUSED } from "./specs.ts";

const RUNS = 150;
const SECONDS = 45;

/** One run: what the command is for, and how it is to end. */
interface Case {
  readonly spec: JobSpecInput;
  readonly kind: "probe" | "environment" | "arguments" | "any";
  readonly status: number;
  readonly words: readonly string[];
}

const cases = (folder: Folder): fc.Arbitrary<Case> =>
  fc.record({
    spec: specs(folder, commands),
    kind: fc.constantFrom("probe", "probe", "probe", "environment", "arguments", "any"),
    status: fc.integer({ min: 0, max: 255 }),
    words: fc.array(texts, { maxLength: 5 }),
  });

/** The spec of a case: random but for its command, and without the sizes that only make it slow. */
function specOf({ spec: asked, kind, status, words }: Case, folder: Folder): JobSpec {
  const spec = JobSpecSchema.parse({ ...asked, limits: { cpus: 2, ...asked.limits } });
  if (kind === "probe") return { ...spec, command: probe(spec, folder, status) };
  if (kind === "environment") return { ...spec, command: ["/usr/bin/env", "-0"] };
  if (kind === "arguments")
    return { ...spec, command: ["/bin/sh", "-c", `printf '%s\\0' "$#" "$@"; exit ${status}`, "sh", ...words] };
  return spec;
}

/** Whether something that the spec asks for may keep a good program from doing what it does. */
function isTight({ security, ulimits, limits, timeout }: JobSpec): boolean {
  const { seccomp, read, write } = security;
  const harmless = (filter: Exclude<typeof seccomp, string | undefined>): boolean =>
    filter.defaultAction === "SCMP_ACT_ALLOW" &&
    filter.syscalls.every(({ names }) => names.every((name) => UNUSED.includes(name)));
  return (
    (typeof seccomp === "object" && !harmless(seccomp)) ||
    ((read ?? write) !== undefined && ![...(read ?? []), ...(write ?? [])].includes("/")) ||
    Object.entries(ulimits).some(([name, { soft }]) => FELT.includes(name) && soft !== -1 && soft < 2 ** 31) ||
    (limits.memory ?? 2 ** 30) < 2 ** 26 ||
    (limits.pids ?? 512) < 32 ||
    (limits.output ?? 2 ** 30) < 2 ** 20 ||
    (timeout ?? 1e6) < 10_000
  );
}

/** Fails when the promise does not settle in time. */
async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), RUN_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Holds a refused start against the closed lists of what may be wrong. */
function expectRefusal(error: unknown, spec: JobSpec, kind: Case["kind"], bench: Bench): string {
  if (!(error instanceof TeleError)) throw error;
  const { code, fields } = error;
  if (code !== "START_FAILED") {
    expect(["INVALID_ARGUMENT", "LIMIT_NOT_ENFORCEABLE"]).toContain(code);
    expect(fields.faults ?? []).not.toEqual([]);
    for (const { pointer, detail } of fields.faults ?? []) {
      expect([pointer, isInSchema(pointer)]).toEqual([pointer, true]);
      expect(detail).toMatch(/\S/);
    }
    return code;
  }
  const { ground } = bench.supervisor;
  const admitted = admit(spec, daemonHost(ground.facts, ground.ceiling));
  const range = policyOf(spec).userns === "private" ? { start: 1_000_000, count: 65_536 } : undefined;
  const labels = programOf(ground, admitted, range).steps.map(({ label }) => label);
  expect(labels).toContain(fields.step ?? "");
  expect(fields.errno ?? "").toMatch(/^E[A-Z0-9]+$/);
  // What is left for the kernel to find: a command or a working directory that this user cannot have.
  const may =
    kind === "any" || spec.root.type === "empty" ? /^(workdir\.enter|workload\.(exec|retry))/ : /^workdir\.enter$/;
  if (!isTight(spec)) expect(fields.step ?? "").toMatch(may);
  return `${code} ${fields.step} ${fields.errno}`;
}

/** The text of a process's environment as it has to be. */
function environmentOf({ clearEnv, env, user }: JobSpec): string[] {
  const all = { ...(!clearEnv && { PATH: DEFAULT_PATH, HOME: lookupUser(user).home }), ...env };
  return Object.entries(all).map(([name, value]) => Buffer.from(`${name}=${value}`).toString());
}

/** Holds the end of a job that was started against its spec. */
function expectEnd(job: Job, asked: JobSpec, one: Case, bench: Bench, folder: Folder): void {
  const { end, spec } = job;
  expect(job.phase).toBe("CLOSED");
  expect(["EXITED", "SIGNALED", "OOM_KILLED", "TIMED_OUT", "OUTPUT_LIMIT"]).toContain(end?.reason as string);
  if (one.kind === "any" || isTight(spec)) return;
  const status = one.kind === "environment" ? 0 : one.status;
  expect(end).toMatchObject({ reason: "EXITED", exitCode: status });
  expect(job.state).toBe(status === 0 ? "COMPLETED" : "FAILED");
  const text = bench.text(job);
  if (one.kind === "probe") expectSandbox(text, spec, asked, bench.supervisor.ground.facts, folder);
  const records = text.split("\0").slice(0, -1);
  if (one.kind === "environment") expect(records.toSorted()).toEqual(environmentOf(spec).toSorted());
  const words = one.words.map((word) => Buffer.from(word).toString());
  if (one.kind === "arguments") expect(records).toEqual([String(words.length), ...words]);
}

/** Tries random specs one after the other; how often each outcome was had. */
async function tryAll(bench: Bench, folder: Folder): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const run = async (one: Case): Promise<void> => {
    const spec = specOf(one, folder);
    let outcome: string;
    try {
      const job = await within("the start", bench.supervisor.start({ spec, owner: "tester" }));
      const ended = await within("the job", bench.ended(job));
      outcome = `ended ${isTight(spec) ? "in a tight place" : one.kind}`;
      expectEnd(ended, spec, one, bench, folder);
    } catch (error) {
      outcome = expectRefusal(error, spec, one.kind, bench);
    } finally {
      await within("the end", clear(bench));
      folder.clean();
    }
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  };
  let under: Promise<void> = Promise.resolve();
  try {
    await fc.assert(
      fc.asyncProperty(cases(folder), (one) => (under = run(one))),
      settings(RUNS, SECONDS),
    );
  } finally {
    // The last one goes on where time was up.
    await under.catch(() => undefined);
  }
  return counts;
}

test(
  "a random valid spec is refused with its faults, or is the sandbox that it asks for and ends as its command does",
  async () => {
    await warmUp();
    const place = makePlace();
    const folder = makeFolder();
    try {
      const counts = await expectNoLeaks(place, async () => {
        const bench = await openBench(place);
        try {
          return await tryAll(bench, folder);
        } finally {
          await bench.close();
        }
      });
      if (process.env["FC_RUNS"] !== undefined) console.log(Object.fromEntries(counts));
      for (const kind of ["probe", "environment", "arguments", "any"])
        expect([kind, counts.get(`ended ${kind}`) ?? 0]).not.toEqual([kind, 0]);
    } finally {
      folder.remove();
      rmSync(join(place.stateDirectory, ".."), { recursive: true, force: true });
    }
  },
  testMs(SECONDS),
);
