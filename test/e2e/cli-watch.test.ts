/** `tele watch` as a process: every byte once and in order, whatever happens to the connection or the reader. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, openSync, closeSync, readFileSync, rmSync } from "node:fs";
import type { Http2ServerResponse } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority, makeLeaf, writeContext } from "#test/support/cli-pki.ts";
import { TELE, tele } from "#test/support/cli-run.ts";
import { type CliServer, makeJob, sendProblem, startCliServer } from "#test/support/cli-server.ts";
import { need } from "#test/support/needs.ts";

// A process of the command line takes a tenth of a second; on a busy machine much longer.
setDefaultTimeout(60_000);

let dir: string;
let server: CliServer;

beforeAll(async () => {
  need("openssl");
  dir = mkdtempSync(join(tmpdir(), "tele-cli-"));
  makeAuthority(dir, "ca");
  makeLeaf(dir, { name: "server", ca: "ca", usage: "serverAuth", san: "IP:127.0.0.1" });
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
  server.jobs.set("a", makeJob("a"));
});

const run = (...args: string[]) => tele(args, { TELE_CONFIG_DIR: dir });
const spec = { reason: "EXITED", exitCode: 0, usage: makeJob("a").usage };

function open(response: Http2ServerResponse, type: string, status = 200): void {
  response.writeHead(status, { "content-type": type });
}

interface Piece {
  readonly stream: "stdout" | "stderr";
  readonly data: string | Uint8Array;
}

/** Frames of these pieces from byte `from` on, then the end record. */
function frames(pieces: readonly Piece[], from = 0): string[] {
  let at = 0;
  const lines: string[] = [];
  for (const { stream, data } of pieces) {
    const bytes = Buffer.from(data);
    const content = typeof data === "string" ? { data } : { dataBase64: bytes.toString("base64") };
    if (at >= from)
      lines.push(JSON.stringify({ offset: at, stream, time: "2026-11-22T12:00:00.000000001Z", ...content }));
    at += bytes.length;
  }
  return [...lines, JSON.stringify({ end: spec })];
}

/** Runs a watch with stdout and stderr in one file, and gives back what is in it. */
async function watchIntoFile(...args: string[]): Promise<Buffer> {
  const file = join(dir, "out");
  const fd = openSync(file, "w");
  const [program, ...before] = TELE;
  const child = spawn(program, [...before, "watch", ...args], {
    env: { ...process.env, TELE_CONFIG_DIR: dir },
    stdio: ["ignore", fd, fd],
  });
  closeSync(fd);
  const status = await new Promise((resolve) => child.on("close", resolve));
  const content = readFileSync(file);
  if (status !== 0) throw new Error(`status ${String(status)}: ${content.toString()}`);
  return content;
}

describe("bytes", () => {
  const output = randomBytes(3_000_000);

  test("arrive as they are when stdout and stderr are one", async () => {
    server.handler = (_seen, response) => {
      open(response, "application/octet-stream");
      response.end(output);
      return true;
    };
    expect((await watchIntoFile("a")).equals(output)).toBe(true);
    expect(server.seen[0]?.headers["accept"]).toBe("application/octet-stream");
  });

  test("go on behind the last one after a broken connection, as often as it breaks", async () => {
    const ranges: unknown[] = [];
    server.handler = (seen, response, request) => {
      ranges.push(seen.headers["range"]);
      const from = Number(/bytes=(\d+)-/.exec(String(seen.headers["range"]))?.[1] ?? 0);
      open(response, "application/octet-stream", from > 0 ? 206 : 200);
      if (ranges.length > 5) response.end(output.subarray(from));
      else response.write(output.subarray(from, from + 200_000), () => request.socket.end());
      return true;
    };
    expect((await watchIntoFile("-q", "a")).equals(output)).toBe(true);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(String(range)))).toBe(true);
    ranges.length = 4;
    expect((await run("watch", "--stream", "all", "a")).stderr).toBe("tele: the connection broke; trying again\n");
  });

  test("of one stream alone are asked for anew, and what is there already is passed over", async () => {
    let connections = 0;
    server.handler = (seen, response, request) => {
      expect(seen.headers["range"]).toBeUndefined();
      open(response, "application/octet-stream");
      if (++connections === 3) response.end(output);
      else response.write(output.subarray(0, connections * 100_000), () => request.socket.end());
      return true;
    };
    expect((await watchIntoFile("-q", "--stream", "stdout", "a")).equals(output)).toBe(true);
  });

  test("that ended exactly where the connection broke are complete", async () => {
    server.handler = (seen, response, request) => {
      if (seen.headers["range"] !== undefined)
        return sendProblem(response, 416, "RANGE_NOT_SATISFIABLE", { detail: "nothing there" });
      open(response, "application/octet-stream");
      response.write(output, () => request.socket.end());
      return true;
    };
    expect((await watchIntoFile("-q", "a")).length).toBe(output.length);
  });

  test("whose reader leaves are no error", async () => {
    server.handler = (_seen, response) => {
      open(response, "application/octet-stream");
      const more = (): void => {
        while (!response.destroyed && response.write(output));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
      return true;
    };
    const line = `"$@" watch --stream all a 2>&3 | head -c 100000 | wc -c; exit \${PIPESTATUS[0]}`;
    const child = Bun.spawn(["bash", "-c", `exec 3>&2; ${line}`, "bash", ...TELE], {
      env: { ...process.env, TELE_CONFIG_DIR: dir },
      stdout: "pipe",
      stderr: "pipe",
    });
    expect((await new Response(child.stdout).text()).trim()).toBe("100000");
    expect(await new Response(child.stderr).text()).toBe("");
    expect(await child.exited).toBe(0);
  });
});

describe("frames", () => {
  const pieces: Piece[] = [
    { stream: "stdout", data: "one\ntw" },
    { stream: "stderr", data: "oops\n" },
    { stream: "stdout", data: "o\n" },
    { stream: "stdout", data: Buffer.from([0xff, 0x00, 0x0a]) },
  ];

  function serve(lines: (from: number) => readonly string[]): void {
    server.handler = (seen, response) => {
      open(response, "application/x-ndjson");
      response.end(
        lines(Number(new URL(seen.url, "https://h").searchParams.get("offset") ?? 0))
          .map((line) => `${line}\n`)
          .join(""),
      );
      return true;
    };
  }

  test("keep stdout and stderr apart", async () => {
    serve((from) => frames(pieces, from));
    const child = await run("watch", "--tail", "9", "a");
    expect(child).toMatchObject({ status: 0, stderr: "oops\n" });
    expect(child.stdout.startsWith("one\ntwo\n")).toBe(true);
    expect(server.seen[0]?.headers["accept"]).toBe("application/x-ndjson");
  });

  test("are not needed to keep stdout and stderr apart: two sinks are two requests of bytes", async () => {
    server.handler = (seen, response) => {
      open(response, "application/octet-stream");
      response.end(new URL(seen.url, "https://h").searchParams.get("stream") === "stderr" ? "oops\n" : "one\ntwo\n");
      return true;
    };
    expect(await run("watch", "a")).toMatchObject({ status: 0, stdout: "one\ntwo\n", stderr: "oops\n" });
    expect(server.seen.map((seen) => seen.headers["accept"])).toEqual(Array(2).fill("application/octet-stream"));
  });

  test("are printed as they came with --json", async () => {
    serve((from) => frames(pieces, from));
    expect((await run("watch", "--json", "a")).stdout).toBe(`${frames(pieces).join("\n")}\n`);
  });

  test("put the time before lines, not before pieces", async () => {
    serve((from) => frames(pieces.slice(0, 3), from));
    const time = "2026-11-22T12:00:00.000000001Z";
    expect(await run("watch", "-t", "a")).toMatchObject({
      stdout: `${time} one\n${time} two\n`,
      stderr: `${time} oops\n`,
    });
  });

  test("pass on what to show, and go on by offset alone after a broken connection", async () => {
    server.handler = (seen, response, request) => {
      const from = Number(new URL(seen.url, "https://h").searchParams.get("offset") ?? 0);
      open(response, "application/x-ndjson");
      const lines = frames(pieces, from).map((line) => `${line}\n`);
      // The connection breaks in the middle of the second frame.
      if (from === 0) response.write(`${lines[0] ?? ""}${(lines[1] ?? "").slice(0, 20)}`, () => request.socket.end());
      else response.end(lines.join(""));
      return true;
    };
    const { stdout, stderr } = await run("watch", "-q", "--since", "10m", "--tail", "5", "--no-follow", "a");
    expect(stdout.startsWith("one\ntwo\n")).toBe(true);
    expect(stderr).toBe("oops\n");
    expect(server.seen.map(({ url }) => url)).toEqual([
      "/v1/jobs/a:watch?follow=false&since=10m&tail=5",
      "/v1/jobs/a:watch?follow=false&offset=6",
    ]);
  });
});

test("a server that stays away is given up with its name, and one that never was at once", async () => {
  let connections = 0;
  server.handler = (_seen, response, request) => {
    connections++;
    if (connections > 1) request.socket.end();
    else {
      open(response, "application/octet-stream");
      response.write("x", () => request.socket.end());
    }
    return true;
  };
  const { status, stdout, stderr } = await run("watch", "-q", "--stream", "all", "a");
  expect({ status, stdout }).toEqual({ status: 3, stdout: "x" });
  expect(stderr).toMatch(/^error: .*broke/);
  expect(connections).toBeGreaterThan(3);
  const never = await run("watch", "--host", "127.0.0.1:1", "a");
  expect(never).toMatchObject({
    status: 3,
    stderr: "error: no server at 127.0.0.1:1\nhint: start one with: tele serve\n",
  });
});

test("a job that is not there is told, not retried", async () => {
  expect(await run("watch", "nope")).toMatchObject({
    status: 1,
    stdout: "",
    stderr: "error: no job is called nope\nhint: list them with: tele ps -a\n",
  });
});
