/** Every command of the job family as a process, against a server that writes down what it is asked. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Job } from "#spec/job.ts";
import { makeAuthority, makeLeaf, writeContext } from "#test/support/cli-pki.ts";
import { tele } from "#test/support/cli-run.ts";
import { type CliServer, ended, makeJob, sendJson, sendProblem, startCliServer } from "#test/support/cli-server.ts";
import { need } from "#test/support/needs.ts";

const FIRST = "019aa8f3-1b2c-7c1e-9d0e-0242ac120002";
const SECOND = "019aa8f3-1b2d-7c1e-9d0e-0242ac120002";

// A process of the command line takes a tenth of a second; on a busy machine much longer.
setDefaultTimeout(60_000);

let dir: string;
let server: CliServer;

beforeAll(async () => {
  need("openssl", "curl");
  dir = mkdtempSync(join(tmpdir(), "tele-cli-"));
  makeAuthority(dir, "ca");
  makeLeaf(dir, { name: "server", ca: "ca", usage: "serverAuth", san: "IP:127.0.0.1,DNS:localhost" });
  makeLeaf(dir, { name: "client", ca: "ca", usage: "clientAuth" });
  server = await startCliServer(dir);
  writeContext(dir, server.url, { ca: "ca.crt", cert: "client.crt", key: "client.key" });
});

afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(() => {
  server.handler = undefined;
  server.seen.length = 0;
  server.jobs.clear();
  server.jobs.set(FIRST, makeJob(FIRST));
  server.jobs.set(SECOND, makeJob(SECOND, { labels: { app: "web" } }));
  server.jobs.set(
    "backup",
    ended(makeJob("backup"), { state: "FAILED", end: { reason: "EXITED", exitCode: 3, usage: makeJob("b").usage } }),
  );
});

const run = (...args: string[]) => tele(args, { TELE_CONFIG_DIR: dir });

describe("tele start", () => {
  test("prints the name of the job and nothing else", async () => {
    expect(await run("start", "--", "ls", "--help")).toEqual({
      status: 0,
      signal: null,
      stdout: `jobs/${FIRST}\n`,
      stderr: "",
    });
    expect(JSON.parse(server.seen[0]?.body ?? "")).toEqual({ command: ["ls", "--help"] });
  });

  test("sends every flag as the API's field", async () => {
    writeFileSync(join(dir, "env"), "# comment\nFROM_FILE=1\nLEVEL=1\n\nHOME_OF\n");
    const flags = `--name web -e LEVEL=9 --env PATH -e NOT_SET --env-file ${join(dir, "env")} -w /tmp -u 1000:1000 --hostname box
      -l app=web --timeout 90 --cpus 0.5 -m 1Gi --memory-high 512Mi --swap 0 --pids 64 --nofile 256 --output-limit 1Mi
      --io rbps=1Mi,wiops=10 --io riops=5 --require memory,memory-high --require io`;
    const { status, stdout } = await run("start", ...flags.split(/\s+/), "--", "sh", "-c", "x y");
    expect({ status, stdout }).toEqual({ status: 0, stdout: "jobs/web\n" });
    expect(server.seen[0]?.url).toBe("/v1/jobs?jobId=web");
    expect(JSON.parse(server.seen[0]?.body ?? "")).toEqual({
      command: ["sh", "-c", "x y"],
      env: { FROM_FILE: "1", LEVEL: "9", PATH: process.env["PATH"] },
      labels: { app: "web" },
      workdir: "/tmp",
      user: "1000:1000",
      hostname: "box",
      timeout: "90s",
      limits: {
        cpus: 0.5,
        pids: 64,
        nofile: 256,
        memory: "1Gi",
        memoryHigh: "512Mi",
        swap: "0",
        output: "1Mi",
        io: { rbps: "1Mi", wiops: "10", riops: "5" },
      },
      require: ["memory", "memoryHigh", "io"],
    });
  });

  test("refuses bad values before it asks anybody", async () => {
    for (const [words, said] of [
      ["--cpus many", '--cpus must be a number, not "many"'],
      ["--memory lots", '--memory must be a size, not "lots"'],
      ["--io wpbs=1", "did you mean wbps?"],
      ["--io wbps", '--io wbps must be a size, not ""'],
      ["--require memroy", "did you mean memory?"],
      ["-e =x", '--env "=x" has no name'],
      ["--env-file /does/not/exist", "--env-file /does/not/exist cannot be read: ENOENT"],
    ] as const) {
      const { status, stdout, stderr } = await run("start", ...words.split(" "), "--", "true");
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
      expect(stderr).toContain(said);
    }
    expect(server.seen).toEqual([]);
  });

  test("tells all faults that the server found, by their flags", async () => {
    server.handler = (_seen, response) =>
      sendProblem(response, 400, "INVALID_ARGUMENT", {
        detail: "2 faults",
        hint: "GET /openapi.json tells what is allowed",
        faults: [
          { pointer: "/limits/pids", detail: "must be at least 1" },
          { pointer: "/hostname", detail: "must be a host name" },
        ],
      });
    const { status, stderr } = await run("start", "--pids", "-1", "--hostname", "%", "--", "true");
    expect(status).toBe(2);
    expect(stderr).toBe(
      "error: 2 things are wrong:\n  --pids must be at least 1\n  --hostname must be a host name\nhint: see the flags with: tele start --help\n",
    );
  });

  test("exits as a shell does when there is no such program", async () => {
    const fields = { detail: 'workload.exec: execve("/nope"): ENOENT', step: "workload.exec", errno: "ENOENT" };
    server.handler = (_seen, response) => sendProblem(response, 422, "START_FAILED", fields);
    expect(await run("start", "--", "/nope")).toMatchObject({
      status: 127,
      stdout: "",
      stderr: `error: ${fields.detail}\n`,
    });
  });
});

describe("tele ps", () => {
  test("lists open jobs, and all of them over all pages with -a", async () => {
    const open = await run("ps");
    expect(open.stdout.split("\n").map((line) => line.split(" ")[0])).toEqual([
      "JOB",
      "019aa8f3-1b2c",
      "019aa8f3-1b2d",
      "",
    ]);
    server.seen.length = 0;
    const { stdout } = await run("ps", "-q", "-a");
    expect(stdout).toBe(`jobs/${FIRST}\njobs/${SECOND}\njobs/backup\n`);
    expect(server.seen.map(({ url }) => url)).toEqual(["/v1/jobs?pageSize=1000", "/v1/jobs?pageSize=1000&pageToken=2"]);
  });

  test("joins filters, and leaves open and closed to one that is about the state", async () => {
    await run("ps", "-l", "app=web", "--filter", "owner = ann");
    await run("ps", "--filter", "reason = OOM_KILLED");
    const filters = server.seen.map(({ url }) => new URL(url, "https://h").searchParams.get("filter"));
    expect([...new Set(filters)]).toEqual([
      'owner = ann AND labels.app = "web" AND phase = OPEN',
      "reason = OOM_KILLED",
    ]);
  });

  test("gives JSON and templates", async () => {
    const { jobs } = JSON.parse((await run("ps", "-a", "--json")).stdout) as { jobs: Job[] };
    expect(jobs.map(({ name }) => name)).toEqual([`jobs/${FIRST}`, `jobs/${SECOND}`, "jobs/backup"]);
    expect((await run("ps", "-a", "--format", "{{.state}} {{.end.exitCode}}")).stdout).toBe(
      "RUNNING \nRUNNING \nFAILED 3\n",
    );
  });
});

describe("a job's name", () => {
  test("may be cut to a beginning that no other has", async () => {
    const { stdout } = await run("status", "jobs/019aa8f3-1b2c", "--format", "{{.name}}");
    expect(stdout).toBe(`jobs/${FIRST}\n`);
    expect((await run("status", "back", "--format", "{{.name}}")).stdout).toBe("jobs/backup\n");
  });

  test("that several have is refused with the candidates", async () => {
    const { status, stderr } = await run("stop", "019aa8f3");
    expect(status).toBe(2);
    expect(stderr).toBe(
      `error: 019aa8f3 is the beginning of 2 jobs' names\nhint: write more of it: ${FIRST}, ${SECOND}\n`,
    );
  });

  test("that is whole costs one request", async () => {
    await run("status", FIRST);
    await run("status", "backup");
    expect(server.seen).toHaveLength(2);
  });

  test("that nobody has is told with the nearest", async () => {
    expect(await run("status", "bakcup")).toMatchObject({
      status: 1,
      stderr: "error: no job is called bakcup\nhint: did you mean backup?\n",
    });
  });
});

describe("tele stop, kill, rm and wait", () => {
  test("stop prints the names of the stopped", async () => {
    const { stdout } = await run("stop", "-s", "int", "-t", "1", FIRST, "019aa8f3-1b2d");
    expect(stdout).toBe(`jobs/${FIRST}\njobs/${SECOND}\n`);
    expect(JSON.parse(server.seen[0]?.body ?? "")).toEqual({ signal: "SIGINT", grace: "1s" });
  });

  test("kill sends KILL unless told otherwise", async () => {
    expect((await run("kill", FIRST)).stdout).toBe(`jobs/${FIRST}\n`);
    await run("kill", "-s", "1", FIRST);
    expect(server.seen.map(({ url, body }) => [url, body])).toEqual([
      [`/v1/jobs/${FIRST}:signal`, '{"signal":"SIGKILL"}'],
      [`/v1/jobs/${FIRST}:signal`, '{"signal":"SIGHUP"}'],
    ]);
  });

  test("one that fails does not keep the others", async () => {
    const { status, stdout, stderr } = await run("rm", "nope", "backup");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "jobs/backup\n" });
    expect(stderr).toContain("no job is called nope");
  });

  test("rm -f kills first", async () => {
    expect((await run("rm", "-f", FIRST)).stdout).toBe(`jobs/${FIRST}\n`);
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `POST /v1/jobs/${FIRST}:stop`,
      `DELETE /v1/jobs/${FIRST}`,
    ]);
  });

  test("wait exits with the job's status, and asks again until the end", async () => {
    let polls = 0;
    server.handler = (seen, response) =>
      seen.url.endsWith(":wait") && ++polls === 1 && sendJson(response, 200, makeJob("backup"));
    expect(await run("wait", "backup")).toMatchObject({ status: 3, stdout: "3\n", stderr: "" });
    expect(polls).toBe(2);
  });

  test("wait for several exits with 1 when one did not end with 0", async () => {
    expect(await run("wait", "-q", "backup", FIRST)).toMatchObject({ status: 1, stdout: "3\n143\n", stderr: "" });
  });

  test("wait survives a server that hangs up", async () => {
    let polls = 0;
    server.handler = (seen, _response, request) => {
      if (!seen.url.endsWith(":wait") || ++polls > 1) return false;
      request.socket.destroy();
      return true;
    };
    expect(await run("wait", "backup")).toMatchObject({ status: 3, stdout: "3\n" });
  });
});

test("tele events prints each event as it comes, until the server hangs up", async () => {
  server.handler = (_seen, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const event = { sequence: 1, time: "2026-11-22T12:00:00.123456789Z", type: "job.started", job: makeJob("web") };
    response.end(`: events follow\n\nid: 1\nevent: job.started\ndata: ${JSON.stringify(event)}\n\n`);
    return true;
  };
  expect((await run("events")).stdout).toBe(
    "2026-11-22T12:00:00Z  job.started   jobs/web  RUNNING  /bin/sh -c 'sleep 30'\n",
  );
  expect((await run("events", "--format", "{{.type}} {{.job.name}}")).stdout).toBe("job.started jobs/web\n");
});

test("tele events says what to do when the connection breaks", async () => {
  server.handler = (_, response, request) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": events follow\n\n", () => request.socket.destroy());
    return true;
  };
  const { status, stderr } = await run("events");
  expect(status).toBe(3);
  expect(stderr).toBe(
    "error: the connection to the server broke while it was sending\nhint: run it again; what happened meanwhile is in tele ps -a\n",
  );
});

describe("--curl", () => {
  test("prints a line that does what the command does", async () => {
    const { stdout } = await run("start", "--curl", "--name", "web", "-e", "A=it's", "--", "sh", "-c", 'echo "$HOME"');
    expect(server.seen).toEqual([]);
    const child = Bun.spawn(["sh", "-c", stdout], { stdout: "pipe", stderr: "inherit" });
    expect(JSON.parse(await new Response(child.stdout).text())).toMatchObject({ name: "jobs/web" });
    expect(await child.exited).toBe(0);
    expect(JSON.parse(server.seen[0]?.body ?? "")).toEqual({
      command: ["sh", "-c", 'echo "$HOME"'],
      env: { A: "it's" },
    });
  });

  test("works for every command that talks to the server", async () => {
    for (const line of ["ps -a", "status a b", "watch a", "wait a", "stop a", "kill a", "rm -f a", "events"]) {
      const { status, stdout } = await run("--curl", ...line.split(" "));
      expect(status).toBe(0);
      for (const one of stdout.trimEnd().split("\n"))
        expect(one).toMatch(/^curl .*--cacert \S+ --cert \S+ --key \S+ .*https:/);
    }
    expect(server.seen).toEqual([]);
  });
});

describe("the command line itself", () => {
  test("shows help instead of running, but never for what is behind --", async () => {
    for (const args of [
      ["start", "--help"],
      ["start", "-h"],
      ["help", "start"],
      ["--help", "start"],
    ]) {
      const { status, stdout } = await run(...args);
      expect(status).toBe(0);
      expect(stdout).toContain("Usage: tele start [FLAGS] -- COMMAND [ARG...]");
    }
    expect((await run("help", "exit-codes")).stdout).toContain("128+n");
    expect((await run("--version")).stdout).toMatch(/^tele \d+\.\d+\.\d+\n$/);
    expect((await run()).stdout).toContain("Usage: tele");
  });

  test("names the nearest command and flag", async () => {
    expect(await run("strat")).toMatchObject({
      status: 2,
      stdout: "",
      stderr: 'error: unknown command "strat"\nhint: did you mean: tele start\n',
    });
    expect(await run("--jsno", "ps")).toMatchObject({
      status: 2,
      stderr: "error: unknown flag --jsno for `tele`\nhint: did you mean --json?\n",
    });
    expect((await run("cert", "isue")).stderr).toContain("did you mean: tele cert issue");
  });

  test("prints no colours into files and pipes", async () => {
    const { stdout, stderr } = await run("ps", "-a");
    expect(stdout + stderr).not.toContain("\x1b");
  });

  test("has help pages of 80 columns", async () => {
    for (const name of [
      "start",
      "ps",
      "status",
      "watch",
      "wait",
      "stop",
      "kill",
      "rm",
      "events",
      "completion",
      "help",
    ]) {
      const { stdout } = await run("help", name);
      expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    }
  });
});
