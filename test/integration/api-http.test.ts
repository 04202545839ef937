// Routes, roles and problems as the real curl sees them, over HTTP/2 and HTTP/1.1.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TeleError } from "#errors";
import { SPEC, startApiServer, until, type ApiServer } from "#test/support/api-server.ts";

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api.close());

const start = (owner: string, id: string, labels: Record<string, string> = {}) =>
  api.jobs.start({ spec: { ...SPEC, labels }, owner, id });

describe.each(["--http2", "--http1.1"])("over %s", (protocol) => {
  const tag = protocol.replaceAll(/\W/g, "");

  test("a job starts from the curl line of the README, without a content type", async () => {
    const { bob } = api.users;
    const made = await api.curl(bob, "/v1/jobs", protocol, "-d", '{"command":["/bin/sh","-c","true"]}');
    expect(made.status).toBe(201);
    const job = made.json();
    expect(job.name).toMatch(/^jobs\/[0-9a-f-]{36}$/);
    expect(job).toMatchObject({
      owner: "bob",
      state: "RUNNING",
      spec: { command: ["/bin/sh", "-c", "true"], workdir: "/" },
    });
    expect(made.head.toLowerCase()).toContain(`location: /v1/${job.name}`);
    const got = await api.curl(bob, `/v1/${job.name}`, protocol);
    expect(got.json()).toEqual(job);
  });

  test("a job may be given a name, once", async () => {
    const body = ["-d", '{"command":["/bin/true"]}'];
    const id = `mine-${tag}`;
    expect((await api.curl(api.users.bob, `/v1/jobs?jobId=${id}`, protocol, ...body)).json().name).toBe(`jobs/${id}`);
    const again = await api.curl(api.users.bob, `/v1/jobs?jobId=${id}`, protocol, ...body);
    expect([again.status, again.json().type]).toEqual([409, "urn:tele:problem:ALREADY_EXISTS"]);
    const bad = await api.curl(api.users.bob, "/v1/jobs?jobId=Not-OK", protocol, ...body);
    expect([bad.status, bad.json().faults[0].pointer]).toEqual([400, "?jobId"]);
  });

  test("what belongs to somebody else is 404, and an admin sees it", async () => {
    await start("bob", `private-${tag}`);
    const path = `/v1/jobs/private-${tag}`;
    const missing = await api.curl(api.users.eve, "/v1/jobs/nowhere", protocol);
    const foreign = await api.curl(api.users.eve, path, protocol);
    expect(foreign.status).toBe(404);
    expect(foreign.text.replaceAll(`private-${tag}`, "nowhere")).toBe(missing.text);
    for (const verb of [":stop", ":signal", ":wait"])
      expect((await api.curl(api.users.eve, path + verb, protocol, "-d", '{"signal":1}')).status).toBe(404);
    expect((await api.curl(api.users.eve, `${path}:watch`, protocol)).status).toBe(404);
    expect((await api.curl(api.users.eve, path, protocol, "-X", "DELETE")).status).toBe(404);
    expect((await api.curl(api.users.admin, path, protocol)).status).toBe(200);
  });

  test("stop, signal, wait and forget", async () => {
    const id = `life-${tag}`;
    await start("bob", id);
    const post = (verb: string, body: string) =>
      api.curl(api.users.bob, `/v1/jobs/${id}:${verb}`, protocol, "-d", body);
    expect((await post("signal", '{"signal":"hup"}')).status).toBe(204);
    expect((await post("signal", '{"signal":15}')).status).toBe(204);
    expect(api.jobs.signals.splice(0)).toEqual(["SIGHUP", "SIGTERM"]);
    const wrong = await post("signal", '{"signal":"SIGHUB"}');
    expect([wrong.status, wrong.json().faults]).toEqual([
      400,
      [{ pointer: "/signal", detail: '"SIGHUB" is no signal; did you mean SIGHUP?' }],
    ]);
    expect((await post("wait", '{"timeout":"10ms"}')).json().phase).toBe("OPEN");
    const refused = await api.curl(api.users.bob, `/v1/jobs/${id}`, protocol, "-X", "DELETE");
    expect([refused.status, refused.json().hint]).toEqual([409, "stop it first"]);
    const stopped = await api.curl(api.users.bob, `/v1/jobs/${id}:stop`, protocol, "-X", "POST");
    expect([stopped.status, stopped.json().reason]).toEqual([200, "STOPPING"]);
    expect((await post("stop", '{"signal":"INT","grace":"1.5s"}')).status).toBe(200);
    expect(api.jobs.stops.splice(0)).toEqual([{ by: "bob" }, { by: "bob", signal: "SIGINT", graceMs: 1500 }]);
    const waiting = post("wait", "");
    await until("the wait is there", () => api.jobs.waiting(id) === 1);
    api.jobs.finish(id, { reason: "STOPPED" });
    expect((await waiting).json()).toMatchObject({ phase: "CLOSED", end: { reason: "STOPPED" } });
    expect((await post("signal", '{"signal":9}')).status).toBe(409);
    expect((await api.curl(api.users.bob, `/v1/jobs/${id}`, protocol, "-X", "DELETE")).status).toBe(204);
    expect((await api.curl(api.users.bob, `/v1/jobs/${id}`, protocol)).status).toBe(404);
  });

  test("a wait whose client left is given up", async () => {
    const id = `left-${tag}`;
    await start("bob", id);
    const gone = await api.curl(api.users.bob, `/v1/jobs/${id}:wait`, protocol, "-X", "POST", "-m", "0.5");
    expect(gone.exitCode).toBe(28);
    await until("nobody waits", () => api.jobs.waiting(id) === 0);
  });

  test("every fault of a request is told at once, with its pointer", async () => {
    const body = '{"comand":["x"],"limits":{"memory":"lots","cpus":"1","pidz":3},"env":{"A=B":"x"}}';
    const { status, head, json } = await api.curl(api.users.bob, "/v1/jobs", protocol, "-d", body);
    expect(status).toBe(400);
    expect(head.toLowerCase()).toContain("content-type: application/problem+json");
    const faults = Object.fromEntries(
      json().faults.map((f: { pointer: string; detail: string }) => [f.pointer, f.detail]),
    );
    expect(faults).toEqual({
      "/command": "is required",
      "/comand": 'is unknown; did you mean "command"?',
      "/limits/memory": 'must be a number of bytes or a size such as "512Mi"',
      "/limits/cpus": "must be number, not string",
      "/limits/pidz": 'is unknown; did you mean "pids"?',
      "/env/A=B": "the name must not hold '=' or NUL",
    });
  });

  test.each([
    ["not JSON", "{", "the body is not JSON"],
    ["not an object", '"x"', "must be object, not string"],
    ["an empty command", '{"command":[]}', "must name a program"],
    ["a NUL in an argument", '{"command":["a\\u0000b"]}', "must not hold a NUL byte"],
    ["absurd limits", '{"command":["x"],"limits":{"cpus":-1,"memory":-5}}', "faults"],
    ["no UTF-8", '{"command":["\xff"]}', "it is not UTF-8"],
  ])("refuses %s", async (_, body, says) => {
    const { status, text } = await api.curl(
      api.users.bob,
      "/v1/jobs",
      protocol,
      "--data-binary",
      `@${await file(body)}`,
    );
    expect(status).toBe(400);
    expect(text).toContain(says);
  });

  test("2 MiB of arguments are too much, and 1.2 MB of JSON are read before they are refused by the schema", async () => {
    const big = JSON.stringify({ command: ["x".repeat(2 ** 21)] });
    const over = await api.curl(api.users.bob, "/v1/jobs", protocol, "--data-binary", `@${await file(big)}`);
    expect([over.status, over.json().type]).toEqual([413, "urn:tele:problem:PAYLOAD_TOO_LARGE"]);
    const many = JSON.stringify({ command: Array.from({ length: 12 }, () => "x".repeat(100_000)) });
    const under = await api.curl(api.users.bob, "/v1/jobs", protocol, "--data-binary", `@${await file(many)}`);
    expect([under.status, under.json().faults[0].pointer]).toEqual([400, "/command"]);
  });

  test("a failed start tells its step", async () => {
    const fields = { detail: 'pivot.swap: pivot_root(".", "."): EINVAL', step: "pivot.swap", errno: "EINVAL" };
    api.jobs.failNext(new TeleError("START_FAILED", { ...fields, resource: "jobs/abc", hint: "see tele doctor" }));
    const { status, json } = await api.curl(api.users.bob, "/v1/jobs", protocol, "-d", '{"command":["x"]}');
    expect(status).toBe(422);
    expect(json()).toEqual({
      type: "urn:tele:problem:START_FAILED",
      title: "Start failed",
      status: 422,
      ...fields,
      hint: "see tele doctor",
      instance: "/v1/jobs/abc",
    });
  });

  test("an error that is not ours says nothing about itself", async () => {
    const secret = new Error("password is hunter2");
    api.jobs.failNext(secret as TeleError);
    const { status, text } = await api.curl(api.users.bob, "/v1/jobs", protocol, "-d", '{"command":["x"]}');
    expect(status).toBe(500);
    expect(text).not.toContain("hunter2");
    expect(text).toContain("urn:tele:problem:INTERNAL");
  });

  test("unknown paths are 404, other methods 405 with Allow, HEAD works where GET does", async () => {
    const { admin } = api.users;
    expect((await api.curl(admin, "/v2/jobs", protocol)).status).toBe(404);
    expect((await api.curl(admin, "/v1/jobs/a:dance", protocol, "-X", "POST")).status).toBe(404);
    const put = await api.curl(admin, "/v1/jobs", protocol, "-X", "PUT", "-d", "{}");
    expect([put.status, /allow: (.*)\r/i.exec(put.head)?.[1]]).toEqual([405, "POST, GET, HEAD"]);
    const watch = await api.curl(admin, "/v1/jobs/a:watch", protocol, "-I");
    expect([watch.status, /allow: (.*)\r/i.exec(watch.head)?.[1]]).toEqual([405, "GET"]);
    const head = await api.curl(admin, "/healthz", protocol, "-I");
    expect([head.status, head.text.includes("ok")]).toEqual([200, false]);
  });

  test("events of one's own jobs come as they happen", async () => {
    const id = `event-${tag}`;
    const before = api.jobs.subscribers();
    const listening = api.curl(api.users.bob, "/v1/events", protocol, "-N", "-m", "1");
    await until("somebody listens", () => api.jobs.subscribers() === before + 1);
    await start("eve", `other-${tag}`);
    await start("bob", id);
    api.jobs.finish(id);
    const { head, text } = await listening;
    expect(head.toLowerCase()).toContain("content-type: text/event-stream");
    const names = [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
    expect(names).toEqual(["job.started", "job.ended"]);
    const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, line]) => JSON.parse(line ?? ""));
    expect(data.map((event) => event.job.name)).toEqual([`jobs/${id}`, `jobs/${id}`]);
    await until("nobody listens any more", () => api.jobs.subscribers() === before);
  });

  test("the same Idempotency-Key starts one job", async () => {
    const args = [protocol, "-H", `Idempotency-Key: key-${tag}`, "-d"];
    const before = api.jobs.starts.length;
    const both = await Promise.all([1, 2].map(() => api.curl(api.users.bob, "/v1/jobs", ...args, '{"command":["a"]}')));
    expect(both.map(({ status }) => status)).toEqual([201, 201]);
    expect(both[0]?.text).toBe(both[1]?.text ?? "");
    expect(both.filter(({ head }) => /idempotent-replayed: true/i.test(head))).toHaveLength(1);
    expect(api.jobs.starts.length).toBe(before + 1);
    const other = await api.curl(api.users.bob, "/v1/jobs", ...args, '{"command":["b"]}');
    expect([other.status, other.json().detail]).toEqual([409, "this Idempotency-Key was used for another request"]);
    expect((await api.curl(api.users.eve, "/v1/jobs", ...args, '{"command":["b"]}')).status).toBe(201);
  });
});

test("roles: viewers read, certificates without a role do nothing, everybody's daemon is healthy", async () => {
  const { viewer, nobody } = api.users;
  await start("viewer", "seen");
  expect((await api.curl(viewer, "/v1/jobs/seen")).status).toBe(200);
  expect((await api.curl(viewer, "/v1/jobs")).json().jobs).toHaveLength(1);
  for (const [path, ...args] of [
    ["/v1/jobs", "-d", '{"command":["x"]}'],
    ["/v1/jobs/seen:stop", "-X", "POST"],
    ["/v1/jobs/seen", "-X", "DELETE"],
  ] as const) {
    const { status, json } = await api.curl(viewer, path, ...args);
    expect([status, json().hint]).toEqual([403, "ask for a certificate with another role"]);
  }
  for (const path of ["/v1/jobs", "/v1/host", "/v1/jobs/seen", "/v1/events"]) {
    const { status, json } = await api.curl(nobody, path);
    expect([status, json().detail]).toEqual([403, "the certificate of nobody carries no role"]);
  }
  expect((await api.curl(nobody, "/healthz")).json()).toEqual({ status: "ok" });
  expect((await api.curl(viewer, "/v1/host")).json().kernel).toBe("6.18.0");
});

test("every decision is in the audit log", async () => {
  await start("bob", "audited");
  await api.curl(api.users.eve, "/v1/jobs/audited?x=1");
  await api.curl(api.users.bob, "/v1/jobs/audited:stop", "-X", "POST");
  await api.curl(api.users.nobody, "/v1/jobs");
  const log = api.audit().slice(-3);
  expect(log).toMatchObject([
    {
      user: "eve",
      roles: ["operator"],
      method: "GET",
      resource: "/v1/jobs/audited",
      decision: "denied",
      code: "NOT_FOUND",
    },
    {
      user: "bob",
      method: "POST",
      resource: "/v1/jobs/audited:stop",
      decision: "allowed",
      code: "OK",
      remote: "127.0.0.1",
    },
    { user: "nobody", roles: [], method: "GET", resource: "/v1/jobs", decision: "denied", code: "PERMISSION_DENIED" },
  ]);
  expect(log[1].fingerprint).toBe(api.users.bob.fingerprint);
  expect(Date.parse(log[1].time)).toBeGreaterThan(Date.now() - 60_000);
});

test("lists page through all jobs once, newest first, and filter", async () => {
  const ids = Array.from({ length: 7 }, (_, i) => `page-${i}`);
  for (const id of ids) await start("pager", id, { app: id < "page-4" ? "low" : "high" });
  api.jobs.finish("page-2", { exitCode: 3 });
  const list = async (query: Record<string, string>) => {
    const { status, json } = await api.curl(api.users.admin, `/v1/jobs?${new URLSearchParams(query).toString()}`);
    return { status, ...json() };
  };
  const all: string[] = [];
  let pageToken = "";
  for (let pages = 0; pages < 4; pages++) {
    const page = await list({ filter: "owner = pager", pageSize: "3", ...(pageToken && { pageToken }) });
    all.push(...page.jobs.map((job: { name: string }) => job.name));
    pageToken = page.nextPageToken ?? "";
    if (!pageToken) break;
    expect((await list({ filter: "owner = bob", pageToken })).status).toBe(400);
  }
  expect(all).toEqual(ids.map((id) => `jobs/${id}`).reverse());
  const some = await list({
    filter: 'owner = pager AND labels.app = "low" AND state = RUNNING',
    orderBy: "createTime asc",
  });
  expect(some.jobs.map((job: { name: string }) => job.name)).toEqual(["jobs/page-0", "jobs/page-1", "jobs/page-3"]);
  expect((await list({ orderBy: "size" })).faults[0].pointer).toBe("?orderBy");
  expect((await list({ pagesize: "3" })).faults).toEqual([
    { pointer: "?pagesize", detail: 'is unknown; did you mean "pageSize"?' },
  ]);
});

test("the OpenAPI document names every route that answers", async () => {
  const { json } = await api.curl(api.users.nobody, "/openapi.json");
  const { openapi, paths } = json();
  expect(openapi).toBe("3.1.0");
  for (const [path, operations] of Object.entries<object>(paths))
    for (const method of Object.keys(operations)) {
      const url = path.replace("{id}", "does-not-exist");
      const { status } = await api.curl(api.users.bob, url, "-m", "1", "-X", method.toUpperCase());
      expect([path, method, [404, 405].includes(status) && !path.includes("{id}")]).toEqual([path, method, false]);
    }
});

let files = 0;
/** A file that holds `body`, one byte for each character. */
async function file(body: string): Promise<string> {
  const path = `${api.dir}/body-${files++}`;
  await Bun.write(path, Buffer.from(body, "latin1"));
  return path;
}
