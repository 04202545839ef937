/** The HTTP half by itself: the real listener and app with real certificates, over jobs that run nothing. */
import { execFile, type ExecException } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createApp } from "#api/app.ts";
import { createAudit, type Audit } from "#api/audit.ts";
import type { CredentialPaths } from "#api/credentials.ts";
import { listen, type Listener, type ListenOptions, type Notice } from "#api/listener.ts";
import type { HostInfo } from "#api/schemas.ts";
import { createMemoryJobs, type MemoryJobs } from "#test/support/memory-jobs.ts";
import { makePki, type Issued, type Pki } from "#test/support/pki.ts";
import { JobSpecSchema, type JobSpec } from "#spec/schema.ts";

export const HOST_INFO: HostInfo = {
  version: "0.0.0",
  startTime: "2026-11-22T00:00:00.000000000Z",
  hostname: "here",
  kernel: "6.18.0",
  architecture: "x86_64",
  cpus: 2,
  memoryBytes: 2 ** 34,
};

/** A spec that nobody runs. */
export const SPEC: JobSpec = JobSpecSchema.parse({ command: ["/bin/true"] });

/** What a test looks into without a type for each answer. */
// oxlint-disable-next-line typescript/no-explicit-any -- the tests say what they expect of it
export type Json = any;

/** What curl got. */
export interface Curled {
  readonly exitCode: number;
  readonly status: number;
  /** Header fields and, behind them, trailers, as curl shows them. */
  readonly head: string;
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON. */
  json(): Json;
  readonly stderr: string;
}

export interface ApiServer {
  readonly jobs: MemoryJobs;
  readonly pki: Pki;
  readonly files: CredentialPaths;
  readonly dir: string;
  readonly listener: Listener;
  readonly url: string;
  readonly notices: Notice[];
  /** The audit log so far. */
  audit(): Json[];
  readonly users: Readonly<Record<"admin" | "bob" | "eve" | "viewer" | "nobody", Issued>>;
  /** curl's flags for a user. */
  identify(user: Issued): string[];
  /** Runs the real curl with a user's certificate; `path` may be a whole URL. */
  curl(user: Issued | undefined, path: string, ...args: readonly string[]): Promise<Curled>;
  close(): Promise<void>;
}

/** Starts it on a free port of the loopback. */
export async function startApiServer(options: Partial<ListenOptions> = {}): Promise<ApiServer> {
  const dir = mkdtempSync(join(tmpdir(), "tele-api-"));
  const pki = makePki(join(dir, "pki"));
  const names = "DNS:localhost,IP:127.0.0.1";
  const server = pki.issue("server", { subject: "/CN=localhost", usage: "serverAuth", names });
  const users = {
    admin: pki.issue("admin", { subject: "/O=admin/CN=admin" }),
    bob: pki.issue("bob", { subject: "/O=operator/CN=bob" }),
    eve: pki.issue("eve", { subject: "/O=operator/O=somewhere/CN=eve" }),
    viewer: pki.issue("viewer", { subject: "/O=viewer/CN=viewer" }),
    nobody: pki.issue("nobody", { subject: "/O=somewhere/CN=nobody" }),
  };
  const files = { server: join(dir, "server.pem"), ca: pki.ca, revoked: join(dir, "revoked") };
  copyFileSync(server.pem, files.server);
  const jobs = createMemoryJobs(join(dir, "jobs"));
  let lines = "";
  const audit: Audit = createAudit({ write: (more) => void (lines += more) });
  const notices: Notice[] = [];
  const listener = await listen({
    app: createApp({ jobs, audit, host: () => HOST_INFO }),
    audit,
    files,
    host: "127.0.0.1",
    port: 0,
    notice: (notice) => void notices.push(notice),
    ...options,
  });
  const url = `https://localhost:${listener.port}`;
  return {
    jobs,
    pki,
    files,
    dir,
    listener,
    url,
    notices,
    users,
    audit() {
      audit.flush();
      return lines
        .trimEnd()
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    },
    identify: (user) => identify(pki.ca, user),
    curl: (user, path, ...args) => curl(pki.ca, user, path.startsWith("http") ? path : url + path, args),
    async close() {
      await listener.close(100);
      jobs.dispose();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function identify(ca: string, { cert, key }: Issued): string[] {
  return ["--cacert", ca, "--cert", cert, "--key", key];
}

let calls = 0;

function curl(ca: string, user: Issued | undefined, url: string, args: readonly string[]): Promise<Curled> {
  const headFile = join(dirname(ca), `head-${calls++}`);
  const own = [
    "-sS",
    "-m",
    "30",
    ...(user ? identify(ca, user) : ["--cacert", ca]),
    "-D",
    headFile,
    "-w",
    "%{stderr}\nstatus=%{http_code}\n",
  ];
  return new Promise((resolve) => {
    const settle = (error: ExecException | null, stdout: Buffer, stderr: Buffer): void => {
      const head = existsSync(headFile) ? readFileSync(headFile, "utf8") : "";
      rmSync(headFile, { force: true });
      resolve({
        exitCode: error ? Number(error.code ?? 1) : 0,
        status: Number(/status=(\d+)/.exec(stderr.toString())?.[1] ?? 0),
        head,
        body: stdout,
        text: stdout.toString(),
        json: () => JSON.parse(stdout.toString()),
        stderr: stderr.toString(),
      });
    };
    execFile("curl", [...own, ...args, url], { encoding: "buffer", maxBuffer: 2 ** 31 - 1 }, settle);
  });
}

/** Waits for a condition, for at most five seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
