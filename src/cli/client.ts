/** The client of our API: requests, answers, and problems as errors. One request is one connection. */
import type { IncomingMessage } from "node:http";
import { readFileSync } from "node:fs";
import type { ResolvedContext } from "#certs/context.ts";
import { TeleError } from "#errors";
import { HINTS } from "#hints";
import { type Choice, readContext } from "./context.ts";
import { curlLine } from "./curl.ts";
import { notTele, toProblem } from "./problem.ts";

/** One request. */
export interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  /** Such as `/v1/jobs/abc:stop`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Milliseconds until the whole answer must be there; 30,000 if absent. Streams have none. */
  readonly timeoutMs?: number;
}

/** Certificates and key as PEM. */
export interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A server and who we are to it. Every error is a TeleError. */
export interface Client {
  /** The decoded JSON of the answer; undefined where there is no body. */
  readonly json: <T>(call: Call) => Promise<T>;
  /** The answer's body as it comes; its end without `complete` is a dropped connection. */
  readonly stream: (call: Call) => Promise<IncomingMessage>;
  readonly curl: (call: Call, streamed?: boolean) => string;
}

/** What an answer came to, by whichever transport. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

const TIMEOUT_MS = 30_000;

/** A client whose context is read when it is first used, so that `--help` and bad words need none. */
export function lazyClient(choice: Choice): Client {
  // It would have us talk to anybody; under Bun it overrules what a request says itself.
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  let context: ResolvedContext | undefined;
  let credentials: Credentials | undefined;
  const contextNow = (): ResolvedContext => (context ??= readContext(choice, process.env));
  const credentialsNow = (): Credentials => (credentials ??= readCredentials(contextNow()));
  return {
    json: async <T>(call: Call): Promise<T> =>
      decode(await ask(contextNow(), credentialsNow(), call), contextNow()) as T,
    stream: async (call) => {
      const { openStream } = await import("./transport-node.ts");
      const response = await openStream(contextNow(), credentialsNow(), call);
      const status = response.statusCode ?? 0;
      if (status < 300) return response;
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const contentType = response.headers["content-type"] ?? "";
      throw toProblem({ status, contentType, text: Buffer.concat(chunks).toString() }, contextNow().server);
    },
    curl: (call, streamed) => curlLine(contextNow(), call, streamed),
  };
}

async function ask(context: ResolvedContext, credentials: Credentials, call: Call): Promise<Answer> {
  // Bun's own fetch takes client certificates and starts 15 ms faster than node:https, which it loads as JavaScript.
  const { ask: send } =
    "bun" in process.versions ? await import("./transport-bun.ts") : await import("./transport-node.ts");
  return send(context, credentials, call, call.timeoutMs ?? TIMEOUT_MS);
}

function decode(answer: Answer, { server }: ResolvedContext): unknown {
  if (answer.status >= 300) throw toProblem(answer, server);
  if (answer.text === "") return undefined;
  try {
    return JSON.parse(answer.text);
  } catch (error) {
    throw notTele(server, answer.status, { cause: error });
  }
}

function readCredentials(context: ResolvedContext): Credentials {
  const read = (what: string, path: string): string => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      const errno = (error as NodeJS.ErrnoException).code ?? "";
      const hint =
        errno === "ENOENT"
          ? HINTS.makeCertificates
          : "it belongs to another user: use sudo, or your own $TELE_CONFIG_DIR";
      throw new TeleError("UNAUTHENTICATED", { detail: `the ${what} ${path} cannot be read: ${errno}`, hint, errno });
    }
  };
  return {
    ca: read("certificate authority", context.ca),
    cert: read("client certificate", context.cert),
    key: read("client key", context.key),
  };
}
