import { isAbsolute, join, resolve } from "node:path";
import { CertError, corrupt } from "./errors.ts";

/** How the command line reaches one server; paths are relative to the folder of `config.json`, or absolute. */
export interface Context {
  /** Such as `https://localhost:6443`. */
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The content of `config.json`. */
export interface Contexts {
  readonly current: string;
  readonly contexts: Readonly<Record<string, Context>>;
}

/** A context that is ready to be used: its paths are absolute. */
export interface ResolvedContext extends Context {
  readonly name: string;
}

/**
 * The folder of certificates and contexts: `$TELE_CONFIG_DIR`, or `$XDG_CONFIG_HOME/tele`, or `/etc/tele` of root and
 * `~/.config/tele` of others. A relative `$XDG_CONFIG_HOME` is ignored, as its specification demands.
 */
export function configDir(env: Readonly<Record<string, string | undefined>>, uid: number, home: string): string {
  if (env["TELE_CONFIG_DIR"]) return resolve(env["TELE_CONFIG_DIR"]);
  const xdg = env["XDG_CONFIG_HOME"];
  if (xdg && isAbsolute(xdg)) return join(xdg, "tele");
  return uid === 0 ? "/etc/tele" : join(home, ".config", "tele");
}

const HINT = "repair it, or move it away and run: tele cert init";

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw corrupt(file, `is not JSON: ${error instanceof Error ? error.message : String(error)}`, HINT);
  }
  if (!isObject(value)) throw corrupt(file, "is not a JSON object", HINT);
  return value;
}

function toContext(value: unknown, pointer: string, file: string): Context {
  if (!isObject(value)) throw corrupt(file, `${pointer} is not an object`, HINT);
  const text = (key: keyof Context): string => {
    const field = value[key];
    if (typeof field !== "string" || field === "") throw corrupt(file, `${pointer}/${key} is not a text`, HINT);
    return field;
  };
  const server = text("server");
  if (!URL.canParse(server) || new URL(server).protocol !== "https:")
    throw corrupt(file, `${pointer}/server is not an https address`, HINT);
  return { server, ca: text("ca"), cert: text("cert"), key: text("key") };
}

/** Reads `config.json`; fields it does not know are left alone. `file` is for the error only. */
export function parseContexts(text: string, file: string): Contexts {
  const { current, contexts } = parseObject(text, file);
  if (typeof current !== "string") throw corrupt(file, "/current is not a text", HINT);
  if (!isObject(contexts)) throw corrupt(file, "/contexts is not an object", HINT);
  const entries = Object.entries(contexts).map(([name, value]) => {
    const pointer = `/contexts/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return [name, toContext(value, pointer, file)] as const;
  });
  return { current, contexts: Object.fromEntries(entries) };
}

/** The context called `name`, or the current one, with its paths made absolute from `dir`. */
export function resolveContext(config: Contexts, dir: string, name: string = config.current): ResolvedContext {
  const context = Object.hasOwn(config.contexts, name) ? config.contexts[name] : undefined;
  if (!context) {
    const names = Object.keys(config.contexts).join(", ");
    throw new CertError("unknown", {
      detail: `no context is called ${JSON.stringify(name)} in ${join(dir, "config.json")}`,
      hint: names ? `use one of: ${names}` : "make one with: tele cert init",
    });
  }
  const { server, ca, cert, key } = context;
  return { name, server, ca: resolve(dir, ca), cert: resolve(dir, cert), key: resolve(dir, key) };
}

/** The text of a `config.json` in which `context` is called `name` and is the current one; the rest of it is kept. */
export function withContext(text: string | undefined, file: string, name: string, context: Context): string {
  const before = text === undefined ? {} : parseObject(text, file);
  if (text !== undefined) parseContexts(text, file);
  const contexts = isObject(before["contexts"]) ? before["contexts"] : {};
  return `${JSON.stringify({ ...before, current: name, contexts: { ...contexts, [name]: context } }, null, 2)}\n`;
}
