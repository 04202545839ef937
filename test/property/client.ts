/** One HTTP/2 connection for many requests, whose bodies may be any bytes, and what every answer has to be. */
import { expect } from "bun:test";
import { type ClientHttp2Session, connect } from "node:http2";
import { type Code, CODES } from "#errors";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

export interface Client {
  send(method: string, path: string, body?: Uint8Array): Promise<Answer>;
  close(): void;
}

/** Longest wait for one answer. */
const PATIENCE_MS = 15_000;

/** A client of a server on the loopback; PEM texts. Connects anew where the server has closed. */
export function openClient(url: string, tls: { ca: string; cert: string; key: string }): Client {
  let session: ClientHttp2Session | undefined;
  const open = (): ClientHttp2Session => {
    if (session && !session.closed && !session.destroyed) return session;
    session = connect(url, tls);
    session.on("error", () => undefined);
    return session;
  };
  return {
    send(method, path, body) {
      return new Promise((resolve, reject) => {
        const request = open().request({ ":method": method, ":path": path });
        const parts: Buffer[] = [];
        let [status, type] = [0, ""];
        const timer = setTimeout(() => reject(new Error(`${method} ${path} had no answer`)), PATIENCE_MS);
        request.on("close", () => clearTimeout(timer));
        request.on("response", (headers) => {
          status = Number(headers[":status"]);
          type = headers["content-type"] ?? "";
        });
        request.on("data", (chunk: Buffer) => parts.push(chunk));
        request.on("error", reject);
        request.on("end", () => resolve({ status, type, text: Buffer.concat(parts).toString() }));
        if (body) request.end(body);
        else request.end();
      });
    },
    close: () => session?.destroy(),
  };
}

/** Holds an answer to be a problem document that is the client's fault (RFC 9457); its code. */
export function expectProblem({ status, type, text }: Answer): Code {
  expect([status >= 400 && status < 500, type, text]).toEqual([true, "application/problem+json", text]);
  const problem = JSON.parse(text) as Record<string, unknown>;
  const code = String(problem["type"]).replace("urn:tele:problem:", "");
  expect([code, CODES[code as Code], problem["status"]]).toEqual([code, status as never, status]);
  expect(problem["title"]).toMatch(/^[A-Z]/);
  expect(problem["detail"]).toMatch(/\S/);
  for (const fault of (problem["faults"] ?? []) as Record<string, unknown>[]) {
    expect(fault["pointer"]).toMatch(/^(\/|$)/);
    expect(fault["detail"]).toMatch(/\S/);
  }
  return code as Code;
}

/** Holds a server to be up. */
export async function expectHealthy(client: Client): Promise<void> {
  expect(await client.send("GET", "/healthz")).toMatchObject({ status: 200, text: '{"status":"ok"}' });
}
