// Watching output over the real listener: every format, every way to begin, and the end after the last byte.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SPEC, startApiServer, until, type ApiServer, type Json } from "#test/support/api-server.ts";

let api: ApiServer;
beforeAll(async () => {
  api = await startApiServer();
});
afterAll(() => api.close());

let jobs = 0;
/** A new job of bob's. */
async function job(): Promise<string> {
  const id = `job-${jobs++}`;
  await api.jobs.start({ spec: SPEC, owner: "bob", id });
  return id;
}

/** curl's header file: the last block is the trailers. */
const field = (head: string, name: string): string | undefined => new RegExp(`^${name}: (.*)\r$`, "im").exec(head)?.[1];
const watch = (id: string, ...args: readonly string[]) => api.curl(api.users.bob, `/v1/jobs/${id}:watch`, ...args);
const query = (id: string, search: string, ...args: readonly string[]) =>
  api.curl(api.users.bob, `/v1/jobs/${id}:watch?${search}`, ...args);
const frames = (text: string): Json[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

describe.each(["--http2", "--http1.1"])("over %s", (protocol) => {
  test("the bytes come as they are written, a partial line too, and the end record in the trailers", async () => {
    const id = await job();
    const child = spawn("curl", [
      ...api.identify(api.users.bob),
      "-sSN",
      protocol,
      "-D",
      join(api.dir, id),
      `${api.url}/v1/jobs/${id}:watch`,
    ]);
    let got = "";
    child.stdout.on("data", (chunk: Buffer) => void (got += chunk.toString()));
    const closed = new Promise((resolve) => child.on("close", resolve));
    await until("it watches", () => api.jobs.waiting(id) === 1);
    api.jobs.append(id, "stdout", "no newline");
    await until("the partial line", () => got === "no newline");
    api.jobs.append(id, "stderr", " at all\n");
    await until("the rest", () => got === "no newline at all\n");
    api.jobs.finish(id, { reason: "SIGNALED", signal: "SIGKILL" });
    expect(await closed).toBe(0);
    const head = readFileSync(join(api.dir, id), "utf8");
    expect(head).toMatch(/^HTTP\/\S+ 200/);
    expect(field(head, "content-type")).toBe("application/octet-stream");
    expect(field(head, "tele-reason")).toBe("SIGNALED");
    expect(field(head, "tele-signal")).toBe("SIGKILL");
  });

  test("a closed job is there from its first byte, with its end in the header already", async () => {
    const id = await job();
    const bytes = randomBytes(3_000_001);
    for (let at = 0; at < bytes.length; at += 262_144) api.jobs.append(id, "stdout", bytes.subarray(at, at + 262_144));
    api.jobs.finish(id, { exitCode: 3 });
    const { body, head, status } = await watch(id, protocol);
    expect([status, body.equals(bytes)]).toEqual([200, true]);
    expect(head.match(/^tele-exit-code: 3\r$/gim)).toHaveLength(2);
  });

  test("frames have offset, stream, time and text, and the end record comes last", async () => {
    const id = await job();
    api.jobs.append(id, "stdout", "héllo\n", 1_700_000_000_123_456_789n);
    api.jobs.append(id, "stderr", new Uint8Array([0xff, 0xfe]));
    // A character cut in two by the writer: its halves go alone, the text around them stays text.
    const euro = Buffer.from("a€b");
    api.jobs.append(id, "stdout", euro.subarray(0, 2));
    const watching = watch(id, protocol, "-H", "Accept: application/x-ndjson");
    await until("it watches", () => api.jobs.waiting(id) === 1);
    api.jobs.append(id, "stdout", euro.subarray(2));
    api.jobs.finish(id, { exitCode: 7 });
    const { text, head } = await watching;
    expect(field(head, "content-type")).toBe("application/x-ndjson");
    const [first, second, ...rest] = frames(text);
    expect(first).toEqual({ offset: 0, stream: "stdout", time: "2023-11-14T22:13:20.123456789Z", data: "héllo\n" });
    expect(second).toMatchObject({ offset: 7, stream: "stderr", dataBase64: "//4=" });
    expect(rest.pop()).toMatchObject({ end: { reason: "EXITED", exitCode: 7 } });
    expect(rest.map(({ offset, data, dataBase64 }) => [offset, data ?? Buffer.from(dataBase64, "base64")])).toEqual([
      [9, "a"],
      [10, Buffer.from([0xe2])],
      [11, Buffer.from([0x82, 0xac])],
      [13, "b"],
    ]);
  });

  test("frames of much text put together are the text, in lines that are not endless", async () => {
    const id = await job();
    const text = "Größe → 🎉 \n".repeat(60_000);
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 300_007) api.jobs.append(id, "stdout", bytes.subarray(at, at + 300_007));
    api.jobs.finish(id);
    const { text: lines } = await watch(id, protocol, "-H", "Accept: application/x-ndjson");
    const all = frames(lines);
    expect(all.pop()).toHaveProperty("end");
    let next = 0;
    const parts = all.map(({ offset, data, dataBase64 }) => {
      expect(offset).toBe(next);
      const part = Buffer.from(data ?? dataBase64, data === undefined ? "base64" : "utf8");
      next += part.length;
      expect(part.length <= 65_536 && (data !== undefined || part.length < 4)).toBe(true);
      return part;
    });
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });

  test("an event source resumes where it was, and is told to stop after the end", async () => {
    const id = await job();
    for (const line of ["one\n", "two\n", "three\n"]) api.jobs.append(id, "stdout", line);
    api.jobs.finish(id);
    const sse = (...more: readonly string[]) => watch(id, protocol, "-H", "Accept: text/event-stream", ...more);
    const events = (text: string) =>
      [...text.matchAll(/^id: (.*)\n(?:event: (.*)\n)?data: (.*)\n\n/gm)].map(([, at, type, data]) => ({
        at,
        type,
        data: JSON.parse(data ?? ""),
      }));
    const all = events((await sse()).text);
    expect(all.map(({ at, type }) => [at, type])).toEqual([
      ["4", undefined],
      ["8", undefined],
      ["14", undefined],
      ["end", "end"],
    ]);
    expect(all[3]?.data.end.reason).toBe("EXITED");
    const rest = events((await sse("-H", "Last-Event-ID: 8")).text);
    expect(rest).toEqual(all.slice(2));
    expect((await sse("-H", "Last-Event-ID: end")).status).toBe(204);
    expect((await sse("-H", "Last-Event-ID: x")).status).toBe(400);
  });

  test("one stream alone, in bytes and in frames", async () => {
    const id = await job();
    const wanted: Buffer[] = [];
    for (let i = 0; i < 3000; i++) {
      const out = Buffer.from(`out ${i} ${"x".repeat(i % 400)}\n`);
      wanted.push(out);
      api.jobs.append(id, "stdout", out);
      api.jobs.append(id, "stderr", `err ${i} ${"y".repeat(i % 300)}\n`);
    }
    const watching = query(id, "stream=stdout", protocol);
    await until("it watches", () => api.jobs.waiting(id) === 1);
    api.jobs.append(id, "stderr", "quiet\n");
    api.jobs.append(id, "stdout", "last\n");
    api.jobs.finish(id);
    const all = Buffer.concat([...wanted, Buffer.from("last\n")]);
    expect((await watching).body.equals(all)).toBe(true);
    const { text } = await query(id, "stream=stderr", protocol, "-H", "Accept: application/x-ndjson");
    const streams = frames(text).slice(0, -1);
    expect([streams.length, streams.at(-1)]).toMatchObject([3001, { data: "quiet\n", stream: "stderr" }]);
  });

  test("follow=false takes what there is now", async () => {
    const id = await job();
    api.jobs.append(id, "stdout", "so far");
    const { text, head, status } = await query(id, "follow=false", protocol);
    expect([status, text, field(head, "tele-reason")]).toEqual([200, "so far", undefined]);
    const framed = await query(id, "follow=false", protocol, "-H", "Accept: application/x-ndjson");
    expect(frames(framed.text)).toHaveLength(1);
  });

  test("offset, since and tail say where to begin", async () => {
    const id = await job();
    const t0 = 1_800_000_000n * 1_000_000_000n;
    for (let i = 0; i < 10; i++)
      api.jobs.append(id, i % 2 ? "stderr" : "stdout", `line ${i}\n`, t0 + BigInt(i) * 1_000_000_000n);
    api.jobs.append(id, "stdout", "unfinished", t0 + 20_000_000_000n);
    api.jobs.finish(id);
    const of = async (search: string): Promise<string> => (await query(id, search, protocol)).text;
    expect(await of("offset=63")).toBe("line 9\nunfinished");
    expect(await of("offset=1000")).toBe("");
    expect(await of("tail=1")).toBe("unfinished");
    expect(await of("tail=2")).toBe("line 9\nunfinished");
    expect(await of("tail=0")).toBe("");
    expect((await of("tail=1000")).length).toBe(80);
    expect(await of("tail=2&stream=stderr")).toBe("line 7\nline 9\n");
    const since = new Date(Number((t0 + 8_000_000_000n) / 1_000_000n)).toISOString();
    expect(await of(`since=${since}`)).toBe("line 8\nline 9\nunfinished");
    expect(await of(`since=${since}&tail=1`)).toBe("unfinished");
    expect(await of("since=1m")).toContain("line 0");
    expect(await of("since=2999-01-01T00:00:00Z")).toBe("");
    for (const [search, pointer] of [
      ["since=yesterday", "?since"],
      ["tail=-1", "?tail"],
      ["stream=both", "?stream"],
      ["follow=1", "?follow"],
      ["foo=1", "?foo"],
    ] as const) {
      const { status, json } = await query(id, search, protocol);
      expect([search, status, json().faults[0].pointer]).toEqual([search, 400, pointer]);
    }
  });

  test("ranges of a closed job are those of any file", async () => {
    const id = await job();
    api.jobs.append(id, "stdout", "0123456789");
    api.jobs.finish(id, { exitCode: 0 });
    const range = async (text: string) => {
      const { status, text: body, head } = await watch(id, protocol, "-H", `Range: ${text}`);
      return [status, body, field(head, "content-range"), field(head, "tele-reason")];
    };
    expect(await range("bytes=4-")).toEqual([206, "456789", "bytes 4-9/10", "EXITED"]);
    expect(await range("bytes=2-5")).toEqual([206, "2345", "bytes 2-5/10", "EXITED"]);
    expect(await range("bytes=8-99")).toEqual([206, "89", "bytes 8-9/10", "EXITED"]);
    expect(await range("bytes=-3")).toEqual([206, "789", "bytes 7-9/10", "EXITED"]);
    expect((await range("bytes=10-")).toSpliced(1, 1)).toEqual([416, "bytes */10", "EXITED"]);
    expect((await range("lines=1-2"))[1]).toBe("0123456789");
    expect((await range("bytes=1-2,4-5"))[1]).toBe("0123456789");
    expect((await query(id, "stream=stdout", protocol, "-H", "Range: bytes=1-")).status).toBe(400);
    expect((await query(id, "tail=1", protocol, "-H", "Range: bytes=1-")).status).toBe(400);
    const resumed = await watch(id, protocol, "-C", "7");
    expect([resumed.exitCode, resumed.text]).toEqual([0, "789"]);
  });

  test("ranges of a running job wait for their bytes", async () => {
    const id = await job();
    api.jobs.append(id, "stdout", "01234");
    const open = watch(id, protocol, "-H", "Range: bytes=3-");
    const bounded = watch(id, protocol, "-H", "Range: bytes=7-8");
    await until("both watch", () => api.jobs.waiting(id) === 2);
    api.jobs.append(id, "stdout", "56789");
    const two = await bounded;
    expect([two.status, two.text, field(two.head, "content-range")]).toEqual([206, "78", "bytes 7-8/*"]);
    const now = await query(id, "follow=false", protocol, "-H", "Range: bytes=8-");
    expect([now.text, field(now.head, "content-range")]).toEqual(["89", "bytes 8-9/*"]);
    api.jobs.finish(id);
    const rest = await open;
    expect([rest.text, field(rest.head, "content-range")]).toEqual(["3456789", "bytes 3-9007199254740991/*"]);
    expect(field(rest.head, "tele-exit-code")).toBe("0");
  });

  test("a job without a byte of output ends like any other", async () => {
    const id = await job();
    const watching = watch(id, protocol);
    await until("it watches", () => api.jobs.waiting(id) === 1);
    api.jobs.finish(id);
    const { status, body, head } = await watching;
    expect([status, body.length, field(head, "tele-exit-code")]).toEqual([200, 0, "0"]);
    expect(frames((await watch(id, protocol, "-H", "Accept: application/x-ndjson")).text)).toHaveLength(1);
  });

  test("a client that vanishes leaves nothing behind", async () => {
    const id = await job();
    const child = spawn("curl", [...api.identify(api.users.bob), "-sSN", protocol, `${api.url}/v1/jobs/${id}:watch`]);
    await until("it watches", () => api.jobs.waiting(id) === 1);
    child.kill("SIGKILL");
    await until("nobody watches", () => api.jobs.waiting(id) === 0);
    api.jobs.append(id, "stdout", "still fine");
    expect((await query(id, "follow=false", protocol)).text).toBe("still fine");
  });

  test("a hundred watchers of a job that writes all the while get the same bytes", async () => {
    const id = await job();
    const folder = join(api.dir, `many-${id}`);
    mkdirSync(folder);
    const child = spawn(
      "curl",
      [
        ...api.identify(api.users.bob),
        ..."-sS --no-progress-meter -Z --parallel-immediate --parallel-max 100 -o".split(" "),
        `${folder}/#1`,
        protocol,
        `${api.url}/v1/jobs/${id}:watch?offset=[0-99]`,
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    const closed = new Promise((resolve) => child.on("close", resolve));
    const whole: Buffer[] = [];
    const write = (): void => {
      const bytes = randomBytes(1 + Math.floor(Math.random() * 200_000));
      whole.push(bytes);
      api.jobs.append(id, Math.random() < 0.5 ? "stdout" : "stderr", bytes);
    };
    for (let i = 0; i < 10; i++) write();
    await until("all watch", () => api.jobs.waiting(id) === 100);
    for (let i = 0; i < 40; i++) {
      write();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    api.jobs.finish(id);
    expect(await closed).toBe(0);
    const all = Buffer.concat(whole);
    const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
    for (let offset = 0; offset < 100; offset++)
      expect([offset, hash(readFileSync(join(folder, String(offset))))]).toEqual([offset, hash(all.subarray(offset))]);
  }, 60_000);
});
