/** What a user types about a sandbox, as a process, against a server that refuses what this host refuses. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TeleError } from "#errors";
import { admit, daemonHost } from "#runtime/admission.ts";
import { JobSpecSchema } from "#spec/schema.ts";
import { makeAuthority, makeLeaf, writeContext } from "#test/support/cli-pki.ts";
import { tele } from "#test/support/cli-run.ts";
import { type CliServer, sendProblem, startCliServer } from "#test/support/cli-server.ts";
import { need } from "#test/support/needs.ts";

// A process of the command line takes a tenth of a second; on a busy machine much longer.
setDefaultTimeout(60_000);

const HOST = daemonHost({ privileged: true, lastCapability: 40, nofileHard: 524_288, hide: [] }, {});

let dir: string;
let server: CliServer;

beforeAll(async () => {
  need("openssl");
  dir = mkdtempSync(join(tmpdir(), "tele-cli-"));
  makeAuthority(dir, "ca");
  makeLeaf(dir, { name: "server", ca: "ca", usage: "serverAuth", san: "IP:127.0.0.1,DNS:localhost" });
  makeLeaf(dir, { name: "client", ca: "ca", usage: "clientAuth" });
  server = await startCliServer(dir);
  writeContext(dir, server.url, { ca: "ca.crt", cert: "client.crt", key: "client.key" });
});

afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(() => {
  server.seen.length = 0;
  server.handler = ({ body }, response) => {
    try {
      admit(JobSpecSchema.parse(JSON.parse(body)), HOST);
      return false;
    } catch (error) {
      if (!(error instanceof TeleError)) throw error;
      return sendProblem(response, 400, error.code, { ...error.fields });
    }
  };
});

const run = (...args: string[]) => tele(["start", ...args], { TELE_CONFIG_DIR: dir });

test("a sandbox of bubblewrap's and docker's words reaches the server", async () => {
  const line =
    "--ro-bind /usr /usr -v /etc:/run/e:ro --tmpfs /tmp/t --proc /proc --dev /dev --unshare-all --chdir /tmp --cap-drop ALL";
  expect(await run(...line.split(" "), "--", "ls", "-l")).toMatchObject({ status: 0, stderr: "" });
  expect(JSON.parse(server.seen[0]?.body ?? "")).toEqual({
    command: ["ls", "-l"],
    workdir: "/tmp",
    security: { capDrop: ["ALL"] },
    mounts: [
      { type: "bind", source: "/usr", target: "/usr", readOnly: true },
      { type: "bind", source: "/etc", target: "/run/e", readOnly: true },
      { type: "tmpfs", target: "/tmp/t" },
      { type: "dev", target: "/dev" },
      { type: "proc", target: "/proc" },
    ],
  });
});

test("what the host refuses is told all at once, in the words that were typed", async () => {
  const seccomp = join(dir, "filter.json");
  writeFileSync(
    seccomp,
    JSON.stringify({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["opn"], action: "SCMP_ACT_ALLOW" }] }),
  );
  const mounts = ["--bind", "/no/such/dir", "/tmp/x", "--tmpfs", "/proc/y", "-v", "/usr:/not/there"];
  const relaxed = ["--profile", "strict", "--share-user", "--seccomp", seccomp, "--read", "/no/such/dir"];
  const { status, stderr } = await run(...mounts, "--user", "nobody-here", ...relaxed, "--", "true");
  expect(status).toBe(2);
  const lines = stderr.split("\n");
  expect(lines[0]).toBe("error: 7 things are wrong:");
  expect(lines).toEqual(
    expect.arrayContaining([
      "  --bind /no/such/dir /tmp/x: /no/such/dir does not exist on this host; make it there first, or correct the path",
      "  --tmpfs /proc/y: /proc/y is in /proc, which is the kernel's and every job's own; choose another place",
      "  --share-user contradicts the profile strict; leave it out, or use the profile default",
      "  --user no such user: nobody-here; name one of its /etc/passwd, or give a number",
      "hint: see the flags with: tele start --help",
    ]),
  );
  expect(stderr).toContain("  --volume /usr:/not/there: /not/there does not exist in the host's tree");
  expect(stderr).toContain("  --seccomp at /syscalls/0/names/0 there is no system call opn");
  expect(stderr).toContain("  --read /no/such/dir does not exist in the job's root");
});

test("what needs the role admin is told by its flags", async () => {
  server.handler = (_seen, response) =>
    sendProblem(response, 403, "PERMISSION_DENIED", {
      detail: "2 fields need the role admin",
      hint: "leave it out, or ask for a certificate with: tele cert issue NAME --role admin",
      faults: [
        { pointer: "/security/share", detail: "needs the role admin" },
        { pointer: "/mounts/0", detail: "needs the role admin" },
      ],
    });
  const { status, stderr } = await run("--share-net", "--bind", "/etc", "/tmp/x", "--", "true");
  expect(status).not.toBe(0);
  expect(stderr).toBe(
    "error: 2 things are wrong:\n  --share-net needs the role admin\n  --bind /etc /tmp/x: needs the role admin\n" +
      "hint: leave it out, or ask for a certificate with: tele cert issue NAME --role admin\n",
  );
});

test("contradictions and broken files are told without asking the server", async () => {
  const { status, stderr } = await run(
    "--share-net",
    "--unshare-net",
    "--seccomp",
    join(dir, "none.json"),
    "--",
    "true",
  );
  expect(status).toBe(2);
  expect(stderr).toContain("--share-net contradicts --unshare-net; leave one of them out");
  expect(stderr).toContain("none.json cannot be read (ENOENT)");
  expect(server.seen).toEqual([]);
});
