/**
 * A client in a process of its own, so that it shares no event loop with what it measures. Over one kept-alive h2
 * connection it starts a job, watches it until the first byte, and lets it end; one line of stdin is one round, the
 * answer is `created first` in nanoseconds since the request.
 */
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";
import { createInterface } from "node:readline";

const { TELE_URL: url = "", TELE_CA: ca = "", TELE_PEM: pem = "" } = process.env;
const session = connect(url, { ca: readFileSync(ca), cert: readFileSync(pem), key: readFileSync(pem) });

/** A request; `first` is when its first byte of body came, `body` all of it. */
function request(
  over: ClientHttp2Session,
  headers: Record<string, string>,
  send?: string,
): Promise<{ head: bigint; first: bigint; body: string }> {
  return new Promise((done, refuse) => {
    const stream = over.request(headers, { endStream: send === undefined });
    let head = 0n;
    let first = 0n;
    let status = 0;
    const parts: Buffer[] = [];
    stream.on("response", (answer: IncomingHttpHeaders) => {
      head = process.hrtime.bigint();
      status = Number(answer[":status"]);
    });
    stream.on("data", (bytes: Buffer) => {
      if (parts.length === 0) first = process.hrtime.bigint();
      parts.push(bytes);
    });
    stream.on("end", () => {
      const body = Buffer.concat(parts).toString();
      if (status >= 300) refuse(new Error(`${status} ${body}`));
      else done({ head, first, body });
    });
    stream.on("error", refuse);
    if (send !== undefined) stream.end(send);
  });
}

for await (const _ of createInterface({ input: process.stdin })) {
  const job = JSON.stringify({ command: ["/bin/echo", "hello"] });
  const from = process.hrtime.bigint();
  const created = await request(
    session,
    { ":method": "POST", ":path": "/v1/jobs", "content-type": "application/json" },
    job,
  );
  const { name } = JSON.parse(created.body) as { name: string };
  const watched = await request(session, { ":method": "GET", ":path": `/v1/${name}:watch` });
  if (watched.body !== "hello\n") throw new Error(`the watch says ${JSON.stringify(watched.body)}`);
  process.stdout.write(`${created.head - from} ${watched.first - from}\n`);
}
session.close();
