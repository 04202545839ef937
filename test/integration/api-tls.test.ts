// Who gets in: real certificates, real curl and openssl against the real listener.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import { TeleError } from "#errors";
import { createApp } from "#api/app.ts";
import { createAudit } from "#api/audit.ts";
import { listen } from "#api/listener.ts";
import { HOST_INFO, SPEC, startApiServer, until, type ApiServer } from "#test/support/api-server.ts";
import { makePki, type Issued } from "#test/support/pki.ts";

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
  await api.jobs.start({ spec: SPEC, owner: "bob", id: "one" });
});
afterAll(() => api.close());

/** A client that keeps its one connection, over HTTP/2. */
async function keepAlive(user: Issued) {
  const [cert, key, ca] = [user.cert, user.key, api.pki.ca].map((path) => readFileSync(path));
  const session = connect(api.url, { cert, key, ca } as Parameters<typeof connect>[1]);
  session.on("error", () => {});
  await once(session, "connect");
  return {
    session,
    async get(path: string): Promise<{ status: number; body: string }> {
      const stream = session.request({ ":path": path });
      stream.on("error", () => {});
      const [headers] = await once(stream, "response");
      return { status: headers[":status"], body: await text(stream) };
    },
  };
}

/** Runs `openssl s_client`, sends one HTTP/1.1 request, and resolves with all it said when the server answered. */
function sClient(user: Issued, ...args: readonly string[]): Promise<string> {
  const connectTo = [
    "-connect",
    `127.0.0.1:${api.listener.port}`,
    "-CAfile",
    api.pki.ca,
    "-cert",
    user.cert,
    "-key",
    user.key,
  ];
  const child = spawn("openssl", ["s_client", ...connectTo, ...args]);
  return new Promise((resolve) => {
    let said = "";
    child.stdin.write("GET /v1/jobs/one HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      // The answer ends with its JSON; by then the session ticket has come and been written, too.
      if (/\r\n\r\n\{.*\}/s.test(said)) child.stdin.end();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("close", () => resolve(said));
  });
}

test.each(["--http2", "--http1.1"])("the certificate says who one is, over %s", async (protocol) => {
  const { bob, eve } = api.users;
  expect((await api.curl(bob, "/v1/jobs/one", protocol)).json().owner).toBe("bob");
  expect((await api.curl(eve, "/v1/jobs/one", protocol)).status).toBe(404);
});

test("the handshake refuses who has no certificate, an expired one, one not yet valid, or one for servers", async () => {
  const refused = {
    none: undefined,
    expired: api.pki.issue("expired", { subject: "/O=admin/CN=old", from: -7200, to: -60 }),
    early: api.pki.issue("early", { subject: "/O=admin/CN=new", from: 3600, to: 7200 }),
    purpose: api.pki.issue("purpose", { subject: "/O=admin/CN=server", usage: "serverAuth" }),
  };
  for (const [name, user] of Object.entries(refused)) {
    const { exitCode, status, body } = await api.curl(user, "/v1/jobs/one");
    expect([name, exitCode === 0, status, body.length]).toEqual([name, false, 0, 0]);
  }
  expect((await api.curl(api.users.bob, "/healthz")).status).toBe(200);
  expect(api.audit().filter(({ method }) => method === "TLS").length).toBeGreaterThanOrEqual(4);
});

test("of a hundred rogue certificates none gets in", async () => {
  // An authority of the same name, so that the issuer looks right.
  const rogue = makePki(join(api.dir, "rogue"), "/CN=test authority");
  const users = ["admin", "bob", "root", "tele", "eve"].map((name) =>
    rogue.issue(name, { subject: `/O=admin/CN=${name}` }),
  );
  let tried = 0;
  const one = async (): Promise<void> => {
    for (let n = tried++; n < 100; n = tried++) {
      const { status, body } = await api.curl(users[n % users.length], "/v1/jobs", n % 2 ? "--http2" : "--http1.1");
      expect([n, status, body.length]).toEqual([n, 0, 0]);
    }
  };
  await Promise.all([one(), one(), one(), one()]);
  expect(tried).toBeGreaterThanOrEqual(100);
}, 60_000);

test("TLS 1.2 is refused", async () => {
  const { exitCode, stderr } = await api.curl(api.users.bob, "/healthz", "--tls-max", "1.2");
  expect(exitCode).toBe(35);
  expect(stderr).toContain("alert protocol version");
});

test("plain HTTP on the port is told to speak HTTPS", async () => {
  for (const method of ["GET", "POST", "PUT", "GET", "POST", "PUT"]) {
    const { status, text: said } = await api.curl(
      undefined,
      `http://127.0.0.1:${api.listener.port}/v1/jobs`,
      "-X",
      method,
    );
    expect([status, said]).toEqual([400, "this port speaks HTTPS: use https:// and a client certificate\n"]);
  }
  // Methods that TLS stacks do not know by sight are closed upon, and nothing breaks.
  expect((await api.curl(undefined, `http://127.0.0.1:${api.listener.port}/v1/jobs`, "-X", "DELETE")).status).toBe(0);
  expect((await api.curl(api.users.bob, "/healthz")).status).toBe(200);
});

test("a certificate that ends on an open connection is refused on the next request, and the connection closed", async () => {
  const brief = api.pki.issue("brief", { subject: "/O=operator/CN=bob", to: 2 });
  const client = await keepAlive(brief);
  expect((await client.get("/v1/jobs/one")).status).toBe(200);
  const closed = once(client.session, "close");
  const answers: number[] = [];
  await until("the certificate has ended", async () => {
    const { status, body } = await client.get("/v1/jobs/one");
    answers.push(status);
    return status === 401 && body.includes("the certificate of bob has expired");
  });
  expect(new Set(answers)).toEqual(new Set([200, 401]));
  await closed;
});

test("a revoked certificate is refused on open and on resumed connections, without a restart", async () => {
  const fired = api.pki.issue("fired", { subject: "/O=operator/CN=bob" });
  const ticket = join(api.dir, "ticket.pem");
  expect(await sClient(fired, "-sess_out", ticket)).toContain("HTTP/1.1 200");
  expect(existsSync(ticket)).toBe(true);
  const resumed = await sClient(fired, "-sess_in", ticket, "-sess_out", ticket);
  expect(resumed).toContain("Reused, TLSv1.3");
  expect(resumed).toContain("HTTP/1.1 200");
  const client = await keepAlive(fired);
  expect((await client.get("/v1/jobs/one")).status).toBe(200);
  const watching = api.curl(fired, "/v1/jobs/one:watch");
  await until("it watches", () => api.jobs.waiting("one") === 1);

  writeFileSync(api.files.revoked, `# revoked\n${fired.fingerprint} - - bob lost laptop\n`);
  await until("the list is read", () => api.notices.some(({ kind }) => kind === "revocations-read"));

  // What it was watching has ended, without a word of its end.
  expect((await watching).exitCode).not.toBe(0);
  const { status, body } = await client.get("/v1/jobs/one");
  expect([status, body.includes("the certificate of bob is revoked")]).toEqual([401, true]);
  const afterwards = await sClient(fired, "-sess_in", ticket);
  expect(afterwards).toContain("Reused, TLSv1.3");
  expect(afterwards).toContain("HTTP/1.1 401");
  expect(afterwards).toMatch(/connection: close/i);
  expect((await api.curl(fired, "/healthz")).status).toBe(401);
  expect((await api.curl(api.users.bob, "/v1/jobs/one")).status).toBe(200);
  expect(
    api.audit().some(({ fingerprint, code }) => fingerprint === fired.fingerprint && code === "UNAUTHENTICATED"),
  ).toBe(true);
});

test("a list that cannot be understood changes nothing, and is reported", async () => {
  const before = api.notices.length;
  appendFileSync(api.files.revoked, "what is this\n");
  await until("it is reported", () => api.notices.length > before);
  const notice = api.notices.at(-1);
  expect(notice?.kind === "files-unusable" && notice.error.fields.detail).toContain("line 3");
  writeFileSync(api.files.revoked, "");
  expect((await api.curl(api.users.bob, "/healthz")).status).toBe(200);
});

test("a renewed server certificate is shown to new connections, old ones stay", async () => {
  const client = await keepAlive(api.users.bob);
  const subject = async (): Promise<string> => (await api.curl(api.users.bob, "/healthz", "-v")).stderr;
  expect(await subject()).toContain("subject: CN=localhost");
  const renewed = api.pki.issue("renewed", {
    subject: "/O=renewed/CN=localhost",
    usage: "serverAuth",
    names: "DNS:localhost,IP:127.0.0.1",
  });
  const next = `${api.files.server}.new`;
  copyFileSync(renewed.pem, next);
  renameSync(next, api.files.server);
  await until("it is noticed", () => api.notices.some(({ kind }) => kind === "certificate-renewed"));
  expect(await subject()).toContain("O=renewed");
  expect((await client.get("/v1/jobs/one")).status).toBe(200);
  client.session.close();
  // What decided who gets in decides still.
  expect((await api.curl(undefined, "/healthz")).status).toBe(0);
  expect((await api.curl(api.users.bob, "/healthz", "--tls-max", "1.2")).exitCode).toBe(35);
  const rogue = makePki(join(api.dir, "rogue2"), "/CN=test authority").issue("x", { subject: "/O=admin/CN=admin" });
  expect((await api.curl(rogue, "/healthz")).status).toBe(0);

  writeFileSync(api.files.server, "nonsense");
  await until("it is reported", () => {
    const notice = api.notices.at(-1);
    return notice?.kind === "files-unusable" && notice.error.fields.detail.includes("holds no private key");
  });
  expect(await subject()).toContain("O=renewed");
});

test("a port that is taken, files that are missing and a switched-off verification are errors before anything listens", async () => {
  const audit = createAudit({ write: () => {} });
  const options = {
    app: createApp({ jobs: api.jobs, audit, host: () => HOST_INFO }),
    audit,
    files: { ...api.files, server: api.users.admin.pem },
    host: "127.0.0.1",
  };
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  const { port } = blocker.address() as AddressInfo;
  const taken = await fault(listen({ ...options, port }));
  expect([taken.code, taken.fields.detail]).toEqual(["UNAVAILABLE", `127.0.0.1 port ${port} is in use`]);
  expect(taken.fields.hint).toContain("--listen");
  blocker.close();
  const missing = await fault(
    listen({ ...options, port: 0, files: { ...options.files, server: "/nowhere/server.pem" } }),
  );
  expect([missing.code, missing.fields.detail]).toEqual([
    "FAILED_PRECONDITION",
    "/nowhere/server.pem cannot be read: ENOENT",
  ]);
  const other = makePki(join(api.dir, "other")).issue("x", { subject: "/CN=x" });
  const mixed = join(api.dir, "mixed.pem");
  writeFileSync(mixed, readFileSync(other.key, "utf8") + readFileSync(api.users.bob.cert, "utf8"));
  const mismatch = await fault(listen({ ...options, port: 0, files: { ...options.files, server: mixed } }));
  expect(mismatch.fields.detail).toContain(`${mixed} cannot be used`);
  process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
  try {
    expect((await fault(listen({ ...options, port: 0 }))).fields.hint).toBe("unset it");
  } finally {
    delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  }
});

async function fault(promise: Promise<unknown>): Promise<TeleError> {
  const error = await promise.then(
    () => undefined,
    (why: unknown) => why,
  );
  if (error instanceof TeleError) return error;
  throw new Error(`expected a TeleError, got ${String(error)}`);
}

test("handshakes resume and say so", async () => {
  // curl keeps sessions only within one process: two URLs, two connections.
  const { stderr } = await api.curl(
    api.users.bob,
    "/healthz",
    "-v",
    "--http1.1",
    "-H",
    "Connection: close",
    `${api.url}/healthz`,
  );
  expect(stderr).toContain("SSL re-using session ID");
});
