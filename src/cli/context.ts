/** Which server, and with whose certificate: from the flags, the environment and `config.json`. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { configDir, parseContexts, type ResolvedContext, resolveContext } from "#certs/context.ts";
import { TeleError } from "#errors";
import { HINTS } from "#hints";
import { usageError } from "./usage-error.ts";

/** The port of a server that is named without one. */
export const DEFAULT_PORT = 6443;

/** What a caller may say about the server. */
export interface Choice {
  readonly host?: string | undefined;
  readonly context?: string | undefined;
}

/** Reads the context: `--context` over `$TELE_CONTEXT` over the current one; its server: `--host` over `$TELE_HOST`. */
export function readContext(choice: Choice, env: NodeJS.ProcessEnv): ResolvedContext {
  const dir = configDir(env, process.getuid?.() ?? 0, homedir());
  const file = join(dir, "config.json");
  const context = resolveContext(
    parseContexts(readConfig(file), file),
    dir,
    choice.context ?? (env["TELE_CONTEXT"] || undefined),
  );
  const host = choice.host ?? env["TELE_HOST"];
  return host ? { ...context, server: serverOf(host, choice.host === undefined ? "$TELE_HOST" : "--host") } : context;
}

function readConfig(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? "";
    if (errno === "ENOENT") {
      throw new TeleError("UNAVAILABLE", {
        detail: `no context: ${file} does not exist`,
        hint: HINTS.makeCertificates,
        errno,
      });
    }
    throw new TeleError("UNAVAILABLE", {
      detail: `${file} cannot be read: ${errno}`,
      hint:
        errno === "EACCES"
          ? "it belongs to another user: use sudo, or your own $TELE_CONFIG_DIR"
          : HINTS.makeCertificates,
      errno,
    });
  }
}

/** The address of `HOST`, `HOST:PORT`, `[::1]:PORT` or a whole https address. */
export function serverOf(host: string, from: string): string {
  const bare = /^[0-9a-f:]+$/i.test(host) && host.split(":").length > 2 ? `[${host}]` : host;
  const address = bare.includes("://") ? bare : `https://${bare}`;
  const bad = usageError(
    `${from} ${JSON.stringify(host)} is no server`,
    `write HOST or HOST:PORT, such as localhost:${DEFAULT_PORT}`,
  );
  if (!URL.canParse(address)) throw bad;
  const url = new URL(address);
  if (url.protocol !== "https:") {
    throw usageError(
      `${from} ${JSON.stringify(host)} is not https, and tele speaks nothing else`,
      `write https://${url.host}`,
    );
  }
  if (url.pathname !== "/" || url.search || url.username) throw bad;
  // The address of the URL standard hides 443; what was written decides.
  const port = url.port || (bare.endsWith(":443") ? "443" : String(DEFAULT_PORT));
  return `https://${url.hostname}:${port}`;
}
