/** `tele cert`: what certs-tool can do, as commands. Each loads its part of it when it runs. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { defineCommand } from "citty";
import { CertError } from "#certs/errors.ts";
import { TeleError } from "#errors";
import { command, type Flags, type Invocation, type TeleCommand } from "../command.ts";
import type { Globals } from "../globals.ts";
import { note, print } from "../output.ts";
import { usageError } from "../usage-error.ts";

const DIR = {
  dir: {
    type: "string",
    valueHint: "DIR",
    description: "Folder of the certificates, instead of $TELE_CONFIG_DIR",
    completes: "directory",
  },
} as const satisfies Flags;
const FORCE = { force: { type: "boolean", description: "Replace what is there" } } as const satisfies Flags;
const SANS = {
  san: { type: "string", valueHint: "NAME|IP", description: "Another name or address of the server", repeat: true },
} as const satisfies Flags;
const NAME = { name: { type: "positional", required: true, description: "The user" } } as const satisfies Flags;
const TARGET = {
  target: {
    type: "positional",
    required: true,
    valueHint: "NAME|SERIAL|FINGERPRINT",
    description: "Which certificate",
  },
} as const satisfies Flags;

/** What a command comes to. */
interface Answer {
  /** For JSON and templates. */
  readonly value: unknown;
  /** For stdout, otherwise. */
  readonly data: string;
  /** For people, on stderr. */
  readonly notes?: string;
}

type With<A extends Flags> = A & typeof DIR;

/** One command on a folder of certificates; the tool's errors become ours, with the same parts. */
function sub<const A extends Flags>(definition: {
  readonly name: string;
  readonly description: string;
  readonly about?: string;
  readonly args: A;
  readonly examples: readonly string[];
  readonly act: (dir: string, flags: Invocation<With<A>>["flags"], globals: Globals) => Answer | Promise<Answer>;
}): TeleCommand {
  const { act, ...rest } = definition;
  const args: With<A> = { ...definition.args, ...DIR };
  return command({
    ...rest,
    args,
    async run({ flags, globals }) {
      refuseServers(definition.name, args, globals);
      const { configDir } = await import("#certs/context.ts");
      const named = (flags as { dir?: string }).dir;
      const dir = named === undefined ? configDir(process.env, process.getuid?.() ?? 0, homedir()) : resolve(named);
      try {
        await show(globals, await act(dir, flags, globals));
      } catch (error) {
        if (!(error instanceof CertError)) throw error;
        const { detail, hint, errno } = error.fields;
        throw new TeleError(error.code, { detail, hint, ...(errno && { errno }) }, { cause: error });
      }
      return 0;
    },
  });
}

/** None of these commands asks a server: what says which one would be passed over, and `--curl` would not hold back. */
function refuseServers(name: string, args: Flags, globals: Globals): void {
  for (const flag of ["host", "context", "curl"] as const)
    if (!(flag in args) && globals[flag])
      throw usageError(
        `\`tele cert ${name}\` asks no server and does not take --${flag}`,
        `see: tele cert ${name} --help`,
      );
}

async function show({ json, format, quiet }: Globals, { value, data, notes = "" }: Answer): Promise<void> {
  if (json) print(`${JSON.stringify(value, null, 2)}\n`);
  else if (format !== undefined) {
    const { compileTemplate } = await import("../render/template.ts");
    const line = compileTemplate(format);
    for (const item of Array.isArray(value) ? value : [value]) print(`${line(item)}\n`);
  } else {
    if (!quiet) note(notes);
    print(data);
  }
}

/** Lists may be written with commas, too. */
function parts(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(","));
}

const init = sub({
  name: "init",
  description: "Make an authority, the server's and the first user's certificate, and the context",
  about: "Prints a curl line that works once `tele serve` runs. Nothing is replaced without --force.",
  args: {
    ...SANS,
    user: { type: "string", valueHint: "NAME", description: "The first user, whose role is admin (default: admin)" },
    days: {
      type: "string",
      valueHint: "N",
      description: "Lifetime of both certificates (default: server 397, user 365)",
    },
    server: {
      type: "string",
      valueHint: "URL",
      description: "Where the server will be (default: https://localhost:6443)",
    },
    context: { type: "string", valueHint: "NAME", description: "What to call the context (default: default)" },
    ...FORCE,
  },
  examples: ["tele cert init", "tele cert init --san box.example --server https://box.example:6443"],
  async act(dir, { san, user, days, server, context, force }) {
    const { init: make } = await import("#certs/init.ts");
    const { curlWords, shellLine } = await import("#certs/export.ts");
    const { renderInit } = await import("#certs/render.ts");
    const result = await make({ dir, sans: parts(san), user, days, server, context, force });
    const curl = shellLine(curlWords(result.context));
    return { value: { ...result, curl }, data: `${curl}\n`, notes: renderInit(result) };
  },
});

const issue = sub({
  name: "issue",
  description: "Issue a certificate to a user",
  about:
    "Prints the file that holds the key and the certificate. With --out it is a folder to hand over, for TELE_CONFIG_DIR.",
  args: {
    ...NAME,
    role: { type: "string", valueHint: "admin|operator|viewer", description: "What the user may do", repeat: true },
    ttl: { type: "string", valueHint: "TIME", description: "Lifetime, such as 12h or 90d (default: 90d)" },
    out: {
      type: "string",
      valueHint: "DIR",
      description: "Write NAME.pem, ca.crt and config.json there",
      completes: "directory",
    },
    server: { type: "string", valueHint: "URL", description: "Address for the config.json of --out" },
    ...FORCE,
  },
  examples: [
    "tele cert issue ann --role operator --ttl 30d",
    "tele cert issue ann --role viewer --out ./for-ann --server https://box.example:6443",
  ],
  async act(dir, { name, role, ttl, out, server, force }) {
    const { issueClient } = await import("#certs/main.ts");
    const { renderIssued } = await import("#certs/render.ts");
    const result = await issueClient({ dir, name, roles: parts(role), ttl, out, server, force });
    return { value: result, data: `${result.files[0]}\n`, notes: renderIssued(result) };
  },
});

const renew = sub({
  name: "renew",
  description: "Make a new key and certificate with the same subject, and replace the file",
  about: "A running server takes up its own by itself. The one before stays good until it expires or is revoked.",
  args: {
    name: { type: "positional", required: true, valueHint: "server|NAME", description: "Whose" },
    ttl: { type: "string", valueHint: "TIME", description: "Lifetime, such as 90d (default: server 397d, users 90d)" },
    ...SANS,
  },
  examples: ["tele cert renew server --san new.example", "tele cert renew ann"],
  async act(dir, { name, ttl, san }) {
    const { renew: make } = await import("#certs/main.ts");
    const { renderIssued } = await import("#certs/render.ts");
    const result = await make({ dir, name, ttl, sans: parts(san) });
    return { value: result, data: `${result.files[0]}\n`, notes: renderIssued(result) };
  },
});

const revoke = sub({
  name: "revoke",
  description: "Have servers refuse a user's certificates, or one of them",
  about: "Prints the fingerprints that were added to the list, which running servers watch.",
  args: { ...TARGET, why: { type: "string", valueHint: "TEXT", description: "Reason, for the list" } },
  examples: ["tele cert revoke ann --why 'lost laptop'"],
  async act(dir, { target, why }) {
    const { revoke: end } = await import("#certs/revoke.ts");
    const { renderRevoked } = await import("#certs/render.ts");
    const result = end(dir, target, why);
    const data = result.entries.map(({ fingerprint }) => `${fingerprint}\n`).join("");
    return { value: result, data, notes: renderRevoked(result, target) };
  },
});

const list = sub({
  name: "list",
  description: "List the certificates that were issued",
  args: {},
  examples: ["tele cert list", "tele cert list --format '{{.name}} {{.notAfter}}'"],
  async act(dir, _flags, { quiet }) {
    const main = await import("#certs/main.ts");
    const { renderList } = await import("#certs/render.ts");
    const rows = main.list(dir);
    return { value: rows, data: quiet ? rows.map(({ name }) => `${name}\n`).join("") : renderList(rows) };
  },
});

const showOne = sub({
  name: "show",
  description: "Show everything about a certificate",
  args: TARGET,
  examples: ["tele cert show ann"],
  async act(dir, { target }) {
    const main = await import("#certs/main.ts");
    const { renderShow } = await import("#certs/render.ts");
    const row = main.show(dir, target);
    return { value: row, data: renderShow(row) };
  },
});

/** The password for PKCS#12, without its line end: from a file, the environment, or what stdin is piped from. */
async function readPassword(file: string | undefined): Promise<string> {
  const hint = "give it with --password-file, in TELE_P12_PASSWORD, or through a pipe";
  const fromEnvironment = process.env["TELE_P12_PASSWORD"];
  if (file === undefined && fromEnvironment !== undefined) return fromEnvironment;
  if (file === undefined && process.stdin.isTTY) throw usageError("there is no password for the PKCS#12 file", hint);
  try {
    const content = file === undefined || file === "-" ? await text(process.stdin) : readFileSync(file, "utf8");
    return content.replace(/\r?\n$/, "");
  } catch (error) {
    throw usageError(`the password cannot be read: ${error instanceof Error ? error.message : String(error)}`, hint);
  }
}

const exports = sub({
  name: "export",
  description: "Give a user's key and certificate to browsers, keychains and curl",
  args: {
    ...NAME,
    p12: { type: "string", valueHint: "FILE", description: "Write a PKCS#12 file", completes: "file" },
    "password-file": {
      type: "string",
      valueHint: "FILE",
      description: "Its password (else TELE_P12_PASSWORD, else stdin)",
      completes: "file",
    },
    curl: { type: "boolean", description: "Print a curl line that acts as the user" },
    ...FORCE,
  },
  examples: ["tele cert export ann --p12 ann.p12 --password-file secret", "tele cert export ann --curl"],
  async act(dir, { name, p12, curl, force, "password-file": passwordFile }) {
    if ((p12 === undefined) === !curl) throw usageError("export needs one form", "add --p12 FILE, or --curl");
    const { exportCurl, exportP12, shellLine } = await import("#certs/export.ts");
    if (p12 === undefined) {
      const argv = exportCurl(dir, name);
      return { value: { argv }, data: `${shellLine(argv)}\n` };
    }
    const password = await readPassword(passwordFile);
    const result = await exportP12(dir, name, { file: p12, password, force });
    return { value: result, data: `${result.file}\n` };
  },
});

export default defineCommand({
  meta: { name: "cert", description: "Make and manage certificates" },
  subCommands: { init, issue, renew, revoke, list, show: showOne, export: exports },
});
