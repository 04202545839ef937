/** A small server of the API's shape over mTLS, whose jobs a test writes down: it shows what the command line sends and reads. */
import { readFileSync } from "node:fs";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Job } from "#spec/job.ts";

/** One request as it came. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Answers a request itself by returning true. */
export type Handler = (seen: Seen, response: Http2ServerResponse, request: Http2ServerRequest) => boolean;

export interface CliServer {
  readonly url: string;
  readonly seen: Seen[];
  readonly jobs: Map<string, Job>;
  /** Asked before the usual answers. */
  handler: Handler | undefined;
  close: () => Promise<void>;
}

const none = { by: "none" } as const;
const held = { by: "cgroup2" } as const;

/** A job that runs, with what a test wants different. */
export function makeJob(id: string, change: Partial<Job> = {}): Job {
  return {
    name: `jobs/${id}`,
    owner: "admin",
    spec: {
      command: ["/bin/sh", "-c", "sleep 30"],
      env: {},
      workdir: "/",
      user: "0",
      hostname: "sandbox",
      labels: {},
      limits: {},
      ulimits: {},
      require: [],
      root: { type: "host" },
      mounts: [],
      security: {},
    },
    labels: {},
    state: "RUNNING",
    phase: "OPEN",
    reason: "RUNNING",
    createTime: new Date(Date.now() - 5000).toISOString(),
    pid: 4242,
    enforced: {
      cpus: held,
      memory: held,
      memoryHigh: held,
      swap: held,
      pids: held,
      io: { by: "none", why: "no such controller" },
      nofile: { by: "rlimit" },
      output: { by: "tele" },
      timeout: none,
    },
    usage: {
      wallUs: 5_000_000,
      cpuUs: 120_000,
      userUs: 100_000,
      systemUs: 20_000,
      memoryBytes: 12_582_912,
      memoryPeakBytes: 20_971_520,
      pids: 2,
      outputBytes: 11,
    },
    ...change,
  };
}

/** The same job, ended. */
export function ended(job: Job, change: Partial<Job> = {}): Job {
  const { pid: _pid, ...rest } = job;
  return {
    ...rest,
    state: "COMPLETED",
    phase: "CLOSED",
    reason: "EXITED",
    endTime: new Date().toISOString(),
    end: { reason: "EXITED", exitCode: 0, usage: job.usage },
    ...change,
  };
}

export function sendJson(response: Http2ServerResponse, status: number, value: unknown): true {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
  return true;
}

export function sendProblem(response: Http2ServerResponse, status: number, code: string, fields: object): true {
  response.writeHead(status, { "content-type": "application/problem+json" });
  response.end(JSON.stringify({ type: `urn:tele:problem:${code}`, title: code, status, ...fields }));
  return true;
}

/** Starts it on a free port of loopback with `server.crt` and the authority `ca.crt` of the folder. */
export async function startCliServer(pki: string): Promise<CliServer> {
  const file = (name: string): Buffer => readFileSync(join(pki, name));
  const server = createSecureServer({
    allowHTTP1: true,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    ca: file("ca.crt"),
    cert: file("server.crt"),
    key: file("server.key"),
  });
  const state: CliServer = {
    url: "",
    seen: [],
    jobs: new Map(),
    handler: undefined,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  server.on("request", (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const seen = {
        method: request.method,
        url: request.url,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      // What the command line asks to find out why a connection broke is not what tests count.
      if (seen.url === "/healthz") return sendJson(response, 200, { status: "ok" });
      state.seen.push(seen);
      if (!state.handler?.(seen, response, request)) answer(state, seen, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function answer({ jobs }: CliServer, { method, url }: Seen, response: Http2ServerResponse): void {
  const { pathname, searchParams } = new URL(url, "https://host");
  if (pathname === "/v1/jobs" && method === "GET") return list([...jobs.values()], searchParams, response);
  if (pathname === "/v1/jobs" && method === "POST") {
    sendJson(response, 201, makeJob(searchParams.get("jobId") ?? "019aa8f3-1b2c-7c1e-9d0e-0242ac120002"));
    return;
  }
  const [, id = "", verb = ""] = /^\/v1\/jobs\/([^:]+)(:\w+)?$/.exec(pathname) ?? [];
  const job = jobs.get(id);
  if (job === undefined) {
    sendProblem(response, 404, "NOT_FOUND", { detail: `no job is called ${id}` });
  } else if (method === "DELETE") {
    jobs.delete(id);
    response.writeHead(204).end();
  } else if (verb === ":signal") response.writeHead(204).end();
  else if (verb === ":stop" || verb === ":wait") {
    const closed =
      job.phase === "CLOSED"
        ? job
        : ended(job, {
            state: "STOPPED",
            reason: "STOPPED",
            end: { reason: "STOPPED", signal: "SIGTERM", usage: job.usage },
          });
    jobs.set(id, closed);
    sendJson(response, 200, closed);
  } else sendJson(response, 200, job);
}

/** Pages of two, so that a listing of three has to turn one. */
function list(all: readonly Job[], search: URLSearchParams, response: Http2ServerResponse): void {
  const fitting = search.get("filter")?.includes("phase = OPEN") ? all.filter((job) => job.phase === "OPEN") : all;
  const from = Number(search.get("pageToken") ?? "0");
  const next = from + 2 < fitting.length ? { nextPageToken: String(from + 2) } : {};
  sendJson(response, 200, { jobs: fitting.slice(from, from + 2), ...next });
}
