// From the words of bubblewrap's and docker's users to a spec, and from what is wrong with it back to those words.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCommand, splitAtDashes } from "#cli/argv.ts";
import { command, type Values } from "#cli/command.ts";
import { inFlags } from "#cli/flag-faults.ts";
import { JOB_FLAGS, toSpec } from "#cli/job-flags.ts";
import { renderError } from "#cli/render/error.ts";
import { TeleError } from "#errors";
import { type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";

const start = command({
  name: "start",
  description: "",
  args: JOB_FLAGS,
  trailing: { valueHint: "COMMAND", required: true },
  run: () => 0,
});

async function flagsOf(words: readonly string[]): Promise<Values<typeof JOB_FLAGS>> {
  const { values } = await parseCommand("tele start", start, splitAtDashes([...words, "--", "x"]));
  return values as Values<typeof JOB_FLAGS>;
}

/** The spec without its command; it has to be one that a server takes. */
async function made(...words: string[]): Promise<Omit<JobSpecInput, "command">> {
  const spec = await toSpec(await flagsOf(words), ["x"], {});
  JobSpecSchema.parse(spec);
  const { command: _, ...rest } = spec;
  return rest;
}

async function refused(...words: string[]): Promise<string> {
  const error = await made(...words).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TeleError)) throw new Error(`accepted, or failed otherwise: ${String(error)}`);
  expect(error.code).toBe("INVALID_ARGUMENT");
  return renderError(error, false);
}

let dir: string;
const file = (name: string, content: string): string => {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "tele-flags-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("mounts", () => {
  test.each([
    ["--bind /a", { type: "bind", source: "/a", target: "/a", readOnly: false }],
    ["--bind /a:/b", { type: "bind", source: "/a", target: "/b", readOnly: false }],
    ["--bind /a /b", { type: "bind", source: "/a", target: "/b", readOnly: false }],
    ["--ro-bind /a /b:c", { type: "bind", source: "/a", target: "/b:c", readOnly: true }],
    ["--ro-bind=/a:/b", { type: "bind", source: "/a", target: "/b", readOnly: true }],
    ["-v /a:/b:ro", { type: "bind", source: "/a", target: "/b", readOnly: true }],
    ["--volume /a:/b", { type: "bind", source: "/a", target: "/b", readOnly: false }],
    ["--mount type=bind,src=/a,dst=/b,ro", { type: "bind", source: "/a", target: "/b", readOnly: true }],
    [
      "--mount type=bind,source=/a,destination=/b,readonly=false",
      { type: "bind", source: "/a", target: "/b", readOnly: false },
    ],
    [
      "--mount type=tmpfs,dst=/b,tmpfs-size=1Mi,tmpfs-mode=700",
      { type: "tmpfs", target: "/b", size: 2 ** 20, mode: 0o700 },
    ],
    ["--tmpfs /t", { type: "tmpfs", target: "/t" }],
    ["--tmpfs /t:size=64M,mode=1777,nosuid", { type: "tmpfs", target: "/t", size: 64e6, mode: 0o1777 }],
    ["--dev /dev", { type: "dev", target: "/dev" }],
    ["--proc /proc", { type: "proc", target: "/proc" }],
  ])("%s", async (line, mount) => {
    expect(await made(...line.split(" "))).toEqual({ mounts: [mount] } as never);
  });

  test.each([
    ["--bind a /b", '--bind a /b: "a" is a relative path; write it from the root, as in "$PWD"/a'],
    ["--ro-bind /a:b", '--ro-bind /a:b: "b" is a relative path'],
    ["--bind /a:/b:ro", "has too many colons; write it in two words, as in: --bind SRC DEST"],
    ["-v vol:/x", "there are no named volumes"],
    ["-v /x", "names no place on the host"],
    ["-v /a:/b:z", 'does not know the option "z"; there are ro and rw'],
    ["--mount type=bind,srcc=/a,dst=/b", 'does not know "srcc"; did you mean src?'],
    ["--mount type=volume,src=a,dst=/b", "must be of type=bind or type=tmpfs"],
    ["--mount type=bind,dst=/b", "names no place on the host; add src=SRC"],
    ["--mount type=tmpfs", "names no place in the job; add dst=DEST"],
    ["--tmpfs /t:size=big", 'has the size "big"; write bytes, or as in 64Mi'],
    ["--tmpfs /t:noexec", 'does not know the option "noexec"'],
    ["--proc proc", "is a relative path"],
  ])("%s is refused", async (line, words) => {
    expect(await refused(...line.split(" "))).toContain(words);
  });

  test("take two words only where that cannot mean anything else", async () => {
    const parse = (line: string) => parseCommand("tele start", start, splitAtDashes(line.split(" ")));
    expect((await parse("--bind /a /b --ro-bind /c -- x")).values).toMatchObject({
      bind: [["/a", "/b"]],
      "ro-bind": [["/c"]],
    });
    const why = (line: string) => parse(line).then(String, String);
    expect(await why("--bind /a:/c /b -- x")).toContain("does not take");
    expect(await why("--bind=/a /b -- x")).toContain("does not take");
    expect(await why("--bind /a b -- x")).toContain("does not take");
    expect(await why("--bind /a /b ls")).toContain("must come after `--`");
    expect(await why("--tmpfs /a /b -- x")).toContain("does not take");
  });
});

describe("namespaces", () => {
  test.each([
    ["--unshare-all --unshare-user --unshare-pid --unshare-net", {}],
    ["--share-net --share-cgroup", { security: { share: ["net", "cgroup"] } }],
    ["--unshare-all --share-net", { security: { share: ["net"] } }],
    ["--share-user", { security: { userns: "host" } }],
    ["--userns private", { security: { userns: "private" } }],
    ["--profile host --unshare-net", { security: { profile: "host", share: ["ipc", "uts"] } }],
    ["--profile host --unshare-all", { security: { profile: "host", share: [], userns: "private" } }],
    ["--profile host --unshare-all --share-user --share-uts", { security: { profile: "host", share: ["uts"] } }],
    ["--unshare-time", { security: { clock: {} } }],
    ["--clock-offset monotonic=-5,boottime=+7", { security: { clock: { monotonic: -5, boottime: 7 } } }],
  ])("%s", async (line, spec) => {
    expect(await made(...line.split(" "))).toEqual(spec as never);
  });
});

describe("the rest of a sandbox", () => {
  test.each([
    ["--profile strict", { security: { profile: "strict" } }],
    ["--cap-add net_raw,CAP_KILL --cap-drop all", { security: { capAdd: ["net_raw", "CAP_KILL"], capDrop: ["all"] } }],
    ["--new-privileges", { security: { noNewPrivileges: false } }],
    ["--profile dev --no-new-privileges", { security: { profile: "dev", noNewPrivileges: true } }],
    ["--read /usr --read /etc --write /tmp", { security: { read: ["/usr", "/etc"], write: ["/tmp"] } }],
    ["--unmask-paths --report-denied", { security: { maskPaths: false, reportDenied: true } }],
    ["--seccomp unconfined", { security: { seccomp: "unconfined" } }],
    ["--root empty", { root: { type: "empty" } }],
    ["--uid 5", { user: "5" }],
    ["--uid 5 --gid 6", { user: "5:6" }],
    ["--gid 6", { user: "0:6" }],
    ["--chdir /tmp --clear-env", { workdir: "/tmp", clearEnv: true }],
    [
      "--ulimit core=0 --ulimit stack=1:unlimited --ulimit nofile=5:-1",
      { ulimits: { core: { soft: 0, hard: 0 }, stack: { soft: 1, hard: -1 }, nofile: { soft: 5, hard: -1 } } },
    ],
    ["--require seccomp,no-new-privileges,memory", { require: ["seccomp", "noNewPrivileges", "memory"] }],
  ])("%s", async (line, spec) => {
    expect(await made(...line.split(" "))).toEqual(spec as never);
  });

  test.each([
    ["--profile strct", "did you mean strict? use one of: strict, default, dev, host"],
    ["--ulimit nofil=3", '--ulimit does not know "nofil"; did you mean nofile?'],
    ["--ulimit core", '--ulimit cannot be "core"; write it as in: --ulimit core=0'],
    ["--ulimit core=x", '--ulimit cannot be "core=x"'],
    ["--uid root", '--uid must be a number, not "root"; names are for --user'],
    ["--clock-offset realtime=1", "write whole seconds"],
    ["--require seccom", "did you mean seccomp?"],
    ["--nofile 5 --ulimit nofile=6", "--nofile contradicts --ulimit nofile"],
    ["--share-net --unshare-net", "--share-net contradicts --unshare-net; leave one of them out"],
    ["--share-user --unshare-user", "--share-user contradicts --unshare-user"],
    ["--unshare-user --userns host", "--unshare-user contradicts --userns host"],
    ["--user a --uid 3", "--user contradicts --uid"],
    ["--new-privileges --no-new-privileges", "--new-privileges contradicts --no-new-privileges"],
  ])("%s is refused", async (line, words) => {
    expect(await refused(...line.split(" "))).toContain(words);
  });

  test("is refused with everything that is wrong at once", async () => {
    expect(
      await refused(
        "--bind",
        "a",
        "--tmpfs",
        "t",
        "--share-net",
        "--unshare-net",
        "--ulimit",
        "x",
        "--seccomp",
        "/nope",
      ),
    ).toBe(
      [
        "error: 5 things are wrong:",
        "  --share-net contradicts --unshare-net; leave one of them out",
        '  --bind a: "a" is a relative path; write it from the root, as in "$PWD"/a',
        '  --tmpfs t: "t" is a relative path; write it from the root, as in "$PWD"/t',
        '  --ulimit cannot be "x"; write it as in: --ulimit core=0 or --ulimit stack=8388608:unlimited',
        "  --seccomp /nope cannot be read (ENOENT); name a file in OCI form, or: --seccomp unconfined",
        "",
      ].join("\n"),
    );
  });
});

describe("a file of a filter", () => {
  const filter = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }] };

  test("is read, by itself or out of a runtime's config.json", async () => {
    for (const content of [filter, { ociVersion: "1.0.2", linux: { seccomp: filter } }])
      expect(await made("--seccomp", file("good.json", JSON.stringify(content)))).toEqual({
        security: { seccomp: filter },
      } as never);
  });

  test("that is broken is one error with the places in it", async () => {
    const broken = {
      defaultAction: "SCMP_ACT_ERNO",
      syscalls: [{ name: ["read"], names: ["x"], action: "SCMP_ACT_ALLOW" }],
    };
    const path = file("broken.json", JSON.stringify(broken));
    expect(await refused("--seccomp", path)).toBe(
      "error: 2 things are wrong:\n" +
        `  --seccomp ${path} at /defaultAction cannot be "SCMP_ACT_ERNO"; did you mean "SCMP_ACT_ERRNO"?\n` +
        `  --seccomp ${path} at /syscalls/0/name is unknown; did you mean "names"?\n`,
    );
    expect(await refused("--seccomp", file("text", "{nope"))).toContain("is not JSON");
    expect(await refused("--seccomp", dir)).toContain("cannot be read (EISDIR)");
    const docker = { ...filter, archMap: [], syscalls: [{ ...filter.syscalls[0], includes: {}, excludes: {} }] };
    expect(await refused("--seccomp", file("docker.json", JSON.stringify(docker)))).toContain(
      "is in docker's own form",
    );
    const hopeless = { defaultAction: "SCMP_ACT_ALLOW", syscalls: Array.from({ length: 50 }, () => ({})) };
    expect(await refused("--seccomp", file("long.json", JSON.stringify(hopeless)))).toContain("has 90 more faults");
  });
});

test("faults that a server found come back under the words that were typed", async () => {
  const words = [
    "--tmpfs",
    "/t",
    "--bind",
    "/nope",
    "/x",
    "-v",
    "/nope:/y",
    "--share-net",
    "--share-uts",
    "--uid",
    "70000",
  ];
  const faults = [
    { pointer: "/mounts/0/source", detail: "/nope does not exist" },
    { pointer: "/mounts/1/target", detail: "is the target of /mounts/2 too" },
    { pointer: "/security/share", detail: "needs the role admin" },
    { pointer: "/user", detail: "is outside" },
    { pointer: "/security/capAdd/3", detail: "there is no capability X" },
    { pointer: "/security/seccomp/syscalls/3/names/0", detail: "there is no system call opn" },
    { pointer: "/limits/memory", detail: "is too much" },
  ];
  const error = await inFlags(
    new TeleError("INVALID_ARGUMENT", { detail: "", faults }),
    await flagsOf(words),
    "tele start",
  );
  expect(renderError(error, false)).toBe(
    [
      "error: 7 things are wrong:",
      "  --bind /nope /x: /nope does not exist",
      "  --volume /nope:/y: is the target of --tmpfs /t too",
      "  --share-net --share-uts needs the role admin",
      "  --uid is outside",
      "  --cap-add there is no capability X",
      "  --seccomp at /syscalls/3/names/0 there is no system call opn",
      "  --memory is too much",
      "hint: see the flags with: tele start --help",
      "",
    ].join("\n"),
  );
  const other = new Error("x");
  expect(await inFlags(other, await flagsOf([]), "tele start")).toBe(other);
});
