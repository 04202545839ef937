/** Daemons that tests kill: supervisors as processes of their own, and what they leave for the next one. */
import { test } from "bun:test";
import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { decodeRecord } from "#program/report.ts";
import type { SupervisorOptions } from "#runtime/supervisor.ts";
import type { Job } from "#spec/job.ts";
import type { JobSpecInput } from "#spec/schema.ts";
import { expectNoLeaks, type Place } from "./leaks.ts";
import { need } from "./needs.ts";
import { type Bench, clear, makePlace, openBench, TEST_MS, warmUp } from "./supervisor.ts";
import { until } from "./until.ts";

/** What a request is refused with. */
export interface Fault {
  readonly code: string;
  readonly detail: string;
}

/** A supervisor in a process of its own. */
export interface Mortal {
  readonly pid: number;
  start(spec: Partial<JobSpecInput>, id: string): Promise<Job>;
  sh(script: string, id: string, spec?: Partial<JobSpecInput>): Promise<Job>;
  get(id: string): Promise<Job | undefined>;
  stop(id: string, request: { by: string; graceMs?: number }): Promise<Job>;
  signal(id: string, signal: string): Promise<void>;
  wait(id: string): Promise<Job>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends as a daemon does on SIGTERM. */
  close(): Promise<void>;
}

/** What a test of deaths has. */
export interface Deathbed {
  readonly place: Place;
  /** Starts a daemon and waits until it is ready; its fault is thrown as it is. */
  daemon(options?: object): Promise<Mortal>;
  /** Starts one and does not wait: the function kills it. */
  stillborn(options?: object): () => Promise<void>;
  /** The next daemon, in this process. */
  next(options?: Partial<SupervisorOptions>): Promise<Bench>;
  /** Waits until a job's tether has written its exit record. */
  recorded(id: string): Promise<void>;
  /** Bytes of a job's output that are in its file. */
  size(id: string): number;
}

type Answer = { n?: number; ready?: boolean; result?: unknown; error?: Fault };

function run(place: Place, options: object): { mortal: Promise<Mortal>; kill: () => Promise<void> } {
  const words = [join(import.meta.dirname, "supervisor-main.ts"), JSON.stringify({ ...place, ...options })];
  const child = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => undefined);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  const gone = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  let count = 0;
  const giveUp = (error: unknown): void => {
    ready.reject(error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  void gone.then(() => giveUp(new Error("the daemon has ended")));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { n = -1, ready: isReady, result, error } = JSON.parse(line) as Answer;
    if (isReady === true) ready.resolve();
    else if (isReady === false) giveUp(error);
    else if (error) waiting.get(n)?.reject(error);
    else waiting.get(n)?.resolve(result);
    waiting.delete(n);
  });
  const ask = <T>(call: string, ...args: unknown[]): Promise<T> => {
    const n = count++;
    const answer = Promise.withResolvers<unknown>();
    // A request that is under way when the daemon is killed is nobody's fault.
    answer.promise.catch(() => undefined);
    waiting.set(n, answer);
    child.stdin.write(`${JSON.stringify({ n, call, args })}\n`);
    return answer.promise as Promise<T>;
  };
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await gone;
  };
  const mortal: Mortal = {
    pid: child.pid ?? -1,
    start: (spec, id) => ask("start", spec, id),
    sh: (script, id, spec) => ask("start", { command: ["/bin/sh", "-c", script], ...spec }, id),
    get: (id) => ask("get", id),
    stop: (id, request) => ask("stop", id, request),
    signal: (id, signal) => ask("signal", id, signal),
    wait: (id) => ask("wait", id),
    kill,
    async close() {
      await ask("close");
      await gone;
    },
  };
  const living = ready.promise.then(() => mortal);
  living.catch(() => undefined);
  return { mortal: living, kill };
}

/** A test in which daemons die, after which nothing of them or of their jobs is left. */
export function mortals(what: string, body: (bed: Deathbed) => Promise<void>): void {
  test(
    what,
    async () => {
      need("root", "cgroup");
      await warmUp();
      const place = makePlace();
      const kills: (() => Promise<void>)[] = [];
      let bench: Bench | undefined;
      const path = (id: string, file: string): string => join(place.stateDirectory, "jobs", id, file);
      const begin = (options: object): ReturnType<typeof run> => {
        const begun = run(place, options);
        kills.push(begun.kill);
        return begun;
      };
      const bed: Deathbed = {
        place,
        daemon: (options = {}) => begin(options).mortal,
        stillborn: (options = {}) => begin(options).kill,
        async next(options = {}) {
          await bench?.close();
          bench = await openBench(place, options);
          return bench;
        },
        async recorded(id) {
          await until(`the exit record of ${id}`, () => decodeRecord(readFileSync(path(id, "exit"))));
        },
        size: (id) => readFileSync(path(id, "data")).length,
      };
      try {
        await expectNoLeaks(place, async () => {
          try {
            await body(bed);
          } finally {
            for (const kill of kills) await kill();
            await bench?.close();
            const last = await openBench(place);
            await clear(last);
            await last.close();
          }
        });
      } finally {
        rmSync(join(place.stateDirectory, ".."), { recursive: true, force: true });
      }
    },
    TEST_MS,
  );
}
