// Command lines made of whatever flags: what they make is sent, and what is wrong with them is an error that names them.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc, { type Arbitrary } from "fast-check";
import { faultsOf } from "#api/problem.ts";
import { aliases, parseCommand, splitAtDashes } from "#cli/argv.ts";
import type { Flags, TeleCommand, Values } from "#cli/command.ts";
import { inFlags } from "#cli/flag-faults.ts";
import { GLOBAL_FLAGS } from "#cli/globals.ts";
import { JOB_FLAGS, toSpec } from "#cli/job-flags.ts";
import { renderError } from "#cli/render/error.ts";
import { GROUPS } from "#cli/tree.ts";
import { TeleError } from "#errors";
import { CAPABILITIES } from "#spec/capabilities.ts";
import { REQUIRE_NAMES } from "#spec/job.ts";
import { JobSpecSchema } from "#spec/schema.ts";
import { PROFILES, SHAREABLE, ULIMIT_NAMES } from "#spec/security-names.ts";
import { settings, testMs } from "./settings.ts";
import { texts } from "./specs.ts";

const SECONDS = 8;
let dir = "";
const files: string[] = [];
const file = (name: string, content: string | Uint8Array): void => {
  files.push(join(dir, name));
  writeFileSync(join(dir, name), content);
};
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "tele-property-"));
  file("filter.json", JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW" }));
  file("wrong.json", '{"defaultAction":"x","syscalls":[{},1,null],"__proto__":null}');
  file("null.json", "null");
  file("nested.json", JSON.stringify({ linux: { seccomp: 7 } }));
  file("deep.json", "[".repeat(50_000));
  file("lines.env", "A=1\n# x\n\nB\n=3\nC=a=b\r\n\0=1\n");
  file(
    "bytes",
    Uint8Array.from({ length: 256 }, (_, index) => index),
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Commands that describe a job. */
async function jobCommands(): Promise<[string, TeleCommand, Flags][]> {
  const all = await Promise.all(
    GROUPS.flatMap(({ commands }) =>
      Object.entries(commands).map(async ([name, { load }]): Promise<[string, TeleCommand, Flags]> => {
        const loaded = await load();
        const args = (typeof loaded.args === "function" ? await loaded.args() : await loaded.args) as Flags | undefined;
        return [name, loaded, args ?? {}];
      }),
    ),
  );
  return all.filter(([, , args]) => Object.keys(JOB_FLAGS).every((flag) => flag in args));
}

/** What somebody may write behind a flag, or in its place. */
function values(): Arbitrary<string> {
  const path = fc.constantFrom(
    "/",
    "/usr",
    "/nope",
    "relative",
    "../up",
    "/a:/b",
    "/a:/b:ro",
    "/a:/b:z",
    ":",
    "::",
    "/ü n",
    ...files,
    dir,
  );
  const number = fc.oneof(
    fc.integer().map(String),
    fc.double().map(String),
    fc.constantFrom("512Mi", "1e9", "0x10", "-1", "unlimited", "30s", "1h", "∞"),
  );
  const name = fc.constantFrom(
    ...CAPABILITIES,
    "ALL",
    "cap_net_raw",
    "CAP",
    ...PROFILES,
    ...SHAREABLE,
    ...REQUIRE_NAMES,
    ...ULIMIT_NAMES,
    "unconfined",
    "private",
    "host",
    "empty",
    "root",
    "monotonic",
    "rbps",
    "__proto__",
    "constructor",
    "type",
  );
  const pair = fc
    .tuple(fc.oneof(name, texts), fc.constantFrom("=", ":", ","), fc.oneof(number, path, texts))
    .map((parts) => parts.join(""));
  const mount = fc
    .array(
      fc.oneof(
        pair,
        fc.constantFrom("type=bind", "type=tmpfs", "src=/usr", "dst=/tmp/x", "ro", "tmpfs-mode=1777", "ro=maybe"),
      ),
      { maxLength: 5 },
    )
    .map((parts) => parts.join(","));
  return fc.oneof(path, number, name, pair, mount, texts);
}

/** Words of a command line, flags of ours among them. */
function lines(flags: Flags): Arbitrary<string[]> {
  const names = Object.entries(flags).flatMap(([name, flag]) =>
    flag.type === "positional"
      ? []
      : [`--${name}`, ...aliases(flag).map((alias) => (alias.length === 1 ? `-${alias}` : `--${alias}`))],
  );
  const flag = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...names) },
    { weight: 1, arbitrary: fc.constantFrom("--no-such", "-", "---", "-xyz", "--=", "--no-json", "-e") },
  );
  const value = values();
  const words = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(flag, value).map(([name, text]) => [name, text]) },
    { weight: 3, arbitrary: fc.tuple(flag, value).map(([name, text]) => [`${name}=${text}`]) },
    { weight: 2, arbitrary: flag.map((name) => [name]) },
    { weight: 1, arbitrary: fc.tuple(flag, value, value).map((all) => all) },
    { weight: 1, arbitrary: value.map((text) => [text]) },
  );
  return fc.array(words, { maxLength: 6 }).map((all) => all.flat());
}

/** The error of a promise; what is none of ours is thrown. */
async function refusalOf(promise: Promise<unknown>): Promise<TeleError | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    if (error instanceof TeleError) return error;
    throw error;
  }
}

test(
  "any flags make a spec, or an error that says what is wrong with them",
  async () => {
    const commands = await jobCommands();
    expect(commands.length).toBeGreaterThan(0);
    for (const [name, command, own] of commands) {
      let made = 0;
      const line = fc.tuple(
        lines({ ...GLOBAL_FLAGS, ...own }),
        fc.array(texts, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
      );
      const property = fc.asyncProperty(line, async ([words, trailing, dashes]) => {
        const argv = dashes ? [...words, "--", ...trailing] : words;
        const error = await refusalOf(
          (async () => {
            const { values: given, trailing: job } = await parseCommand(`tele ${name}`, command, splitAtDashes(argv));
            const flags = given as Values<typeof JOB_FLAGS>;
            const spec = await toSpec(flags, job, { HOME: "/root", PATH: "/bin" });
            made++;
            // What goes over the wire is what a server reads, which answers with faults that have names of flags.
            const parsed = JobSpecSchema.safeParse(JSON.parse(JSON.stringify(spec)), { reportInput: true });
            if (parsed.success) return;
            const faults = faultsOf(parsed.error, JobSpecSchema);
            throw await inFlags(new TeleError("INVALID_ARGUMENT", { detail: "", faults }), flags, `tele ${name}`);
          })(),
        );
        if (!error) return;
        expect(error.code).toBe("INVALID_ARGUMENT");
        expect(renderError(error, false)).toMatch(/^error: \S/);
      });
      await fc.assert(property, settings(1500, SECONDS));
      expect([name, made > 20]).toEqual([name, true]);
    }
  },
  testMs(3 * SECONDS),
);
