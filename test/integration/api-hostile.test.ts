// Clients that mean harm or know no better: none of them may hold the server up, fill its memory or bring it down.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { SPEC, startApiServer, until, type ApiServer } from "#test/support/api-server.ts";

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer({
    handshakeTimeout: 600,
    patience: { firstRequest: 500, idle: 700, answer: 300 },
  });
  await api.jobs.start({ spec: SPEC, owner: "bob", id: "one" });
});
afterAll(() => api.close());

const healthy = async (): Promise<void> => expect((await api.curl(api.users.bob, "/healthz")).status).toBe(200);
const tls = (protocol: "h2" | "http/1.1" = "http/1.1"): Socket => {
  const [cert, key, ca] = [api.users.bob.cert, api.users.bob.key, api.pki.ca].map((path) => readFileSync(path));
  const options = { port: api.listener.port, host: "127.0.0.1", cert, key, ca, ALPNProtocols: [protocol] };
  const socket = connectTls({ ...options, servername: "localhost" } as Parameters<typeof connectTls>[0]);
  return socket.on("error", () => {});
};
/** Resolves with all that came once the server has closed. */
const untilClosed = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let heard = "";
    socket.on("data", (chunk: Buffer) => void (heard += chunk.toString("latin1")));
    socket.on("close", () => resolve(heard));
  });

describe.each(["--http2", "--http1.1"])("over %s", (protocol) => {
  test("a body of 100 MB is refused without being taken in", async () => {
    const big = join(api.dir, "big");
    const file = openSync(big, "w");
    ftruncateSync(file, 100_000_000);
    closeSync(file);
    const before = process.memoryUsage().rss;
    for (const more of [[], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked"]]) {
      const { status, text } = await api.curl(api.users.bob, "/v1/jobs", protocol, "--data-binary", `@${big}`, ...more);
      expect([more, status]).toEqual([more, 413]);
      expect(text).toContain("PAYLOAD_TOO_LARGE");
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * 2 ** 20);
    const elsewhere = await api.curl(api.users.bob, "/v1/nowhere", protocol, "--data-binary", `@${big}`);
    expect(elsewhere.status).toBe(404);
    await healthy();
  }, 30_000);

  test("a watcher that never reads costs nobody else anything", async () => {
    const id = `stuck-${protocol.replaceAll(/\W/g, "")}`;
    await api.jobs.start({ spec: SPEC, owner: "bob", id });
    const bytes = randomBytes(2 ** 22);
    for (let i = 0; i < 8; i++) api.jobs.append(id, "stdout", bytes);
    const stuck = Array.from({ length: 10 }, () =>
      spawn(
        "curl",
        [
          ...api.identify(api.users.bob),
          "-s",
          "--limit-rate",
          "1",
          "-o",
          "/dev/null",
          protocol,
          `${api.url}/v1/jobs/${id}:watch`,
        ],
        {
          stdio: ["ignore", "pipe", "ignore"],
        },
      ),
    );
    try {
      const begun = () => api.audit().filter(({ resource }) => resource === `/v1/jobs/${id}:watch`).length;
      await until("all ten watch", () => begun() === 10);
      const reads = await Promise.all(
        [1, 2, 3].map(() => api.curl(api.users.bob, `/v1/jobs/${id}:watch?follow=false`, protocol)),
      );
      for (const { body } of reads)
        expect(body.length === 2 ** 25 && body.subarray(-(2 ** 22)).equals(bytes)).toBe(true);
    } finally {
      for (const child of stuck) child.kill("SIGKILL");
    }
    api.jobs.finish(id);
    expect((await api.curl(api.users.bob, `/v1/jobs/${id}:watch`, protocol)).body.length).toBe(2 ** 25);
  }, 30_000);
});

test("slow-loris: who does not finish a handshake, a header or a first request is closed upon", async () => {
  const silent = connectTcp(api.listener.port, "127.0.0.1").on("error", () => {});
  const handshaken = [tls("http/1.1"), tls("h2")];
  const slow = tls();
  slow.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
  const drip = setInterval(() => slow.writable && slow.write("x"), 50);
  const began = performance.now();
  await Promise.all([silent, ...handshaken, slow].map(untilClosed));
  clearInterval(drip);
  expect(performance.now() - began).toBeLessThan(5000);
  await healthy();
});

test("a connection that was used may idle for a while, and is closed then", async () => {
  const socket = tls();
  socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect(await untilClosed(socket)).toContain('{"status":"ok"}');
  await healthy();
});

test("a watch outlives the patience for other answers", async () => {
  const watching = api.curl(api.users.bob, "/v1/jobs/one:watch", "-m", "1.8");
  const { exitCode } = await watching;
  // 28: it was curl that gave up.
  expect(exitCode).toBe(28);
}, 10_000);

test("a stalled body ends with the patience for answers", async () => {
  const socket = tls();
  socket.write("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{");
  await untilClosed(socket);
  await healthy();
});

test("huge and too many header fields are refused", async () => {
  for (const protocol of ["--http2", "--http1.1"]) {
    const { status, exitCode } = await api.curl(
      api.users.bob,
      "/healthz",
      protocol,
      "-H",
      `X-Big: ${"x".repeat(60_000)}`,
    );
    expect([protocol, status >= 400 || exitCode !== 0]).toEqual([protocol, true]);
  }
  await healthy();
});

test("garbage before, inside and after the handshake breaks nothing", async () => {
  const raw = connectTcp(api.listener.port, "127.0.0.1").on("error", () => {});
  raw.write(randomBytes(5000));
  const inH2 = tls("h2");
  inH2.write(randomBytes(5000));
  const inH1 = tls();
  inH1.write(randomBytes(5000));
  const nullBytes = tls();
  nullBytes.write("GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await Promise.all([raw, inH2, inH1, nullBytes].map(untilClosed));
  await healthy();
});

test("a body on a GET does not become the next request", async () => {
  const socket = tls();
  const smuggled = "DELETE /v1/jobs/one HTTP/1.1\r\nHost: localhost\r\n\r\n";
  socket.write(`GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`);
  const heard = await untilClosed(socket);
  expect(heard.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
  expect(api.audit().some(({ method, resource }) => method === "DELETE" && resource === "/v1/jobs/one")).toBe(false);
  for (const both of ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Content-Length: 3\r\nContent-Length: 4"]) {
    const double = tls();
    double.write(`POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n${both}\r\n\r\n0\r\n\r\n`);
    expect(await untilClosed(double)).not.toContain("201");
  }
  await healthy();
});

test("streams opened and reset by the thousand do not stop the others", async () => {
  const [cert, key, ca] = [api.users.bob.cert, api.users.bob.key, api.pki.ca].map((path) => readFileSync(path));
  const session = connectHttp2(api.url, { cert, key, ca } as Parameters<typeof connectHttp2>[1]);
  session.on("error", () => {});
  for (let i = 0; i < 3000 && !session.destroyed; i++) {
    const stream = session.request({ ":path": "/v1/jobs/one:watch" });
    stream.on("error", () => {});
    stream.close(8);
  }
  await healthy();
  session.destroy();
  await until("nobody watches", () => api.jobs.waiting("one") === 0);
});

test("the server ends watches when it closes, and nothing holds it up", async () => {
  const other = await startApiServer();
  await other.jobs.start({ spec: SPEC, owner: "bob", id: "one" });
  const watching = ["--http2", "--http1.1"].map((protocol) =>
    other.curl(other.users.bob, "/v1/jobs/one:watch", protocol),
  );
  await until("both watch", () => other.jobs.waiting("one") === 2);
  const began = performance.now();
  await other.close();
  expect(performance.now() - began).toBeLessThan(3000);
  // Neither took the interruption for the job's end.
  for (const { exitCode } of await Promise.all(watching)) expect(exitCode).not.toBe(0);
});
