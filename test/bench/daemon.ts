/** A tele server for the benchmarks: the shipped file, fresh certificates, a free port, folders that go again. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Job } from "#spec/job.ts";

/** A running server. */
export interface Daemon {
  pid: number;
  /** `https://localhost:PORT` */
  url: string;
  port: number;
  ca: string;
  /** Certificate and key of an admin, in one PEM file. */
  pem: string;
  /** Certificate and key of the server, in one PEM file. */
  serverPem: string;
  /** The environment in which the CLI talks to this server. */
  env: NodeJS.ProcessEnv;
  folder: string;
  /** Sends a request; throws on any status but 2xx. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Starts a job and returns its id. */
  start(spec: Record<string, unknown>): Promise<string>;
  /** Waits until a job is closed. */
  closed(id: string): Promise<Job>;
  stop(): Promise<void>;
}

/** The file that is measured. */
export const tele = resolve(import.meta.dirname, "../../dist/tele");

/** Starts a server and resolves once it answers. */
export async function startDaemon(): Promise<Daemon> {
  const folder = mkdtempSync(join(tmpdir(), "tele-bench-"));
  const config = join(folder, "config");
  const env = { ...process.env, TELE_CONFIG_DIR: config, TELE_STATE_DIR: join(folder, "state") };
  const port = await freePort();
  const url = `https://localhost:${port}`;
  const made = spawnSync(tele, ["cert", "init", "--server", url], { env, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`tele cert init: ${made.stderr}`);
  const log = openSync(join(folder, "log"), "w");
  const child = spawn(tele, ["serve", "--listen", `127.0.0.1:${port}`, "--cgroup-name", `tele-bench-${port}`], {
    env,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const gone = once(child, "exit");

  const { contexts, current } = JSON.parse(readFileSync(join(config, "config.json"), "utf8"));
  const ca = join(config, contexts[current].ca);
  const pem = join(config, contexts[current].cert);
  const tls = { ca: readFileSync(ca), cert: readFileSync(pem), key: readFileSync(pem) };

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const init: BunFetchRequestInit = { method, tls };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "content-type": "application/json" };
    }
    const answer = await fetch(url + path, init);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }
  const closed = async (id: string): Promise<Job> => {
    for (;;) {
      const job = await call<Job>("POST", `/v1/jobs/${id}:wait`, {});
      if (job.phase === "CLOSED") return job;
    }
  };
  const stop = async (): Promise<void> => {
    const { jobs } = await call<{ jobs: Job[] }>("GET", "/v1/jobs?pageSize=1000&filter=phase%20%3D%20OPEN");
    // A stop, because unlike a signal it is no fault where the job has just ended.
    await Promise.all(jobs.map((job) => call("POST", `/v1/${job.name}:stop`, { signal: "KILL" })));
    await Promise.all(jobs.map((job) => closed(job.name.slice("jobs/".length))));
    child.kill("SIGTERM");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  const daemon: Daemon = {
    pid: child.pid ?? 0,
    url,
    port,
    ca,
    pem,
    serverPem: join(config, "server.pem"),
    env,
    folder,
    call,
    start: async (spec) => (await call<Job>("POST", "/v1/jobs", spec)).name.slice("jobs/".length),
    closed,
    stop,
  };
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      await call("GET", "/v1/host");
      return daemon;
    } catch (error) {
      if (child.exitCode !== null || Date.now() > deadline) {
        child.kill("SIGKILL");
        throw new Error(`tele serve does not answer: ${readFileSync(join(folder, "log"), "utf8")}`, { cause: error });
      }
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

/** A TCP port of the loopback that nobody has right now. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
