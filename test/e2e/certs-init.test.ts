import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { hostAddresses, init } from "#certs/init.ts";
import { issueClient, list } from "#certs/main.ts";
import { revoke } from "#certs/revoke.ts";
import { cert, certWords, contents, initialised, run, tempFolders, verify } from "#test/support/certs.ts";
import { need } from "#test/support/needs.ts";

// Processes and P-384 keys take a while on a machine that is busy.
setDefaultTimeout(30_000);

const folders = tempFolders();
let ready = "";

beforeAll(async () => {
  need("openssl", "curl");
  ready = await initialised(folders);
});
afterAll(() => folders.remove());

async function textOf(file: string): Promise<string> {
  return (await run(["openssl", "x509", "-noout", "-text", "-in", file])).out.replace(/ +/g, " ");
}

function modeOf(file: string): string {
  return (fs.statSync(file).mode & 0o777).toString(8);
}

test("init prints a curl line, and nothing else, to stdout, and what was made to stderr", async () => {
  const dir = join(folders.make(), "deep", "tele");
  const { status, out, err } = await cert(dir, "init", "--server", "https://Box.example:7000");
  expect(status).toBe(0);
  expect(out).toBe(
    `curl --cacert ${dir}/ca.crt --cert ${dir}/clients/admin.pem --key ${dir}/clients/admin.pem https://box.example:7000/v1/jobs\n`,
  );
  for (const said of ["ca.crt", "server.pem", "admin.pem", "config.json", "box.example", "tele serve"])
    expect(err).toContain(said);
});

test("init --json tells everything it made", async () => {
  const dir = folders.make();
  const { out, err } = await cert(dir, "init", "--json", "--user", "root@box", "--days", "30");
  const made = JSON.parse(out);
  expect(err).toBe("");
  expect([made.client.name, made.client.roles]).toEqual(["root@box", ["admin"]]);
  expect(made.context.cert).toBe(join(dir, "clients", "root@box.pem"));
  expect(made.curl).toStartWith("curl --cacert ");
  for (const { notBefore, notAfter } of [made.client, made.server])
    expect((Date.parse(notAfter) - Date.parse(notBefore)) / 1000).toBe(30 * 86_400 + 300);
});

test("only its owner can read what has a key in it", () => {
  const modes = Object.fromEntries(
    [".", ...fs.readdirSync(ready), "clients/admin.pem"].map((name) => [name, modeOf(join(ready, name))]),
  );
  expect(modes).toEqual({
    ".": "700",
    "ca.crt": "644",
    "ca.key": "600",
    clients: "700",
    "clients/admin.pem": "600",
    "config.json": "600",
    "issued.jsonl": "600",
    revoked: "644",
    "server.pem": "600",
  });
});

test("a umask changes no mode", async () => {
  const dir = join(folders.make(), "tele");
  const words = certWords(dir, "init").map((word) => `'${word}'`);
  expect((await run(["sh", "-c", `umask 077; ${words.join(" ")}`])).status).toBe(0);
  expect(modeOf(join(dir, "ca.crt"))).toBe("644");
});

test("openssl accepts each certificate, at its strictest, for its purpose and for no other", async () => {
  const [server, client] = [join(ready, "server.pem"), join(ready, "clients", "admin.pem")];
  expect(await verify(ready, "sslserver", server)).toContain(": OK");
  expect(await verify(ready, "sslclient", client)).toContain(": OK");
  expect(await verify(ready, "sslclient", server)).toContain("unsuitable certificate purpose");
  expect(await verify(ready, "sslserver", client)).toContain("unsuitable certificate purpose");
  expect(await verify(await initialisedElsewhere(), "sslclient", client)).toContain(
    "unable to get local issuer certificate",
  );
});

async function initialisedElsewhere(): Promise<string> {
  const dir = folders.make();
  await init({ dir });
  return dir;
}

test("every key is P-384, every signature SHA-384, every extension in its place", async () => {
  const [ca, server, client] = await Promise.all(
    ["ca.crt", "server.pem", "clients/admin.pem"].map((name) => textOf(join(ready, name))),
  );
  for (const text of [ca, server, client]) {
    expect(text).toContain("ASN1 OID: secp384r1");
    expect(text).toContain("Signature Algorithm: ecdsa-with-SHA384");
    expect(text).toContain("Basic Constraints: critical");
    expect(text).toContain("Key Usage: critical");
    expect(text).toContain("Subject Key Identifier:");
    expect(text).toContain("Authority Key Identifier:");
  }
  expect(ca).toContain("CA:TRUE, pathlen:0");
  expect(ca).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\s/);
  expect(ca).not.toContain("Extended Key Usage");
  for (const text of [server, client]) {
    expect(text).toContain("CA:FALSE");
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\s/);
  }
  expect(server).toMatch(/Extended Key Usage:\s+TLS Web Server Authentication\s/);
  expect(client).toMatch(/Extended Key Usage:\s+TLS Web Client Authentication\s/);
  expect(client).toContain("Subject: O = admin, CN = admin");
});

test("keys are PKCS#8 that openssl reads", async () => {
  for (const name of ["ca.key", "server.pem", "clients/admin.pem"]) {
    expect(fs.readFileSync(join(ready, name), "utf8")).toStartWith("-----BEGIN PRIVATE KEY-----\n");
    const { status, out } = await run(["openssl", "pkey", "-in", join(ready, name), "-check", "-noout"]);
    expect([status, out]).toEqual([0, "Key is valid\n"]);
  }
});

test("the server's certificate names loopback, the host, its addresses, --san and --server", async () => {
  const dir = folders.make();
  await cert(
    dir,
    "init",
    "--san",
    "a.example,B.example",
    "--san=10.9.8.7",
    "--san",
    "fd00::99",
    "--server",
    "https://c.example",
  );
  const text = await textOf(join(dir, "server.pem"));
  for (const name of [
    "DNS:localhost",
    "IP Address:127.0.0.1",
    "IP Address:0:0:0:0:0:0:0:1",
    "DNS:a.example",
    "DNS:b.example",
  ])
    expect(text).toContain(name);
  for (const name of ["IP Address:10.9.8.7", "IP Address:FD00:0:0:0:0:0:0:99", "DNS:c.example"])
    expect(text).toContain(name);
  expect(text).toContain(`DNS:${hostname().toLowerCase()}`);
  for (const { address, internal } of hostAddresses())
    if (!internal && address.includes(".")) expect(text).toContain(`IP Address:${address}`);
});

test("a second init replaces nothing, and says how to", async () => {
  const dir = await initialised(folders);
  const before = contents(dir);
  const { status, out, err } = await cert(dir, "init");
  expect([status, out]).toEqual([1, ""]);
  expect(err).toContain(`${dir}/ca.crt exists already`);
  expect(err).toContain("--force");
  expect(contents(dir)).toEqual(before);
});

test("init does not take a file of the same name for its own", async () => {
  for (const name of ["ca.key", "server.pem", "clients/admin.pem"]) {
    const dir = folders.make();
    fs.mkdirSync(join(dir, "clients"));
    fs.writeFileSync(join(dir, name), "mine");
    expect((await cert(dir, "init")).err).toContain(`${join(dir, name)} exists already`);
    expect(contents(dir)).toEqual({ [`/${name}`]: "mine" });
  }
});

test("init --force makes everything anew, keeps other contexts, and forgets no revocation", async () => {
  const dir = await initialised(folders);
  await issueClient({ dir, name: "alice", roles: ["viewer"] });
  const [entry] = revoke(dir, "alice").entries;
  const config = JSON.parse(fs.readFileSync(join(dir, "config.json"), "utf8"));
  config.contexts.far = { ...config.contexts.default, server: "https://far.example:6443" };
  fs.writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  const before = contents(dir);

  expect((await cert(dir, "init", "--force")).status).toBe(0);
  const after = contents(dir);
  for (const name of ["/ca.crt", "/ca.key", "/server.pem", "/clients/admin.pem"])
    expect(after[name]).not.toBe(before[name] ?? "");
  expect(after["/revoked"]).toContain(entry?.fingerprint ?? "none");
  expect(Object.keys(after)).not.toContain("/clients/alice.pem");
  expect(Object.keys(JSON.parse(after["/config.json"] ?? "").contexts)).toEqual(["default", "far"]);
  expect(list(dir).map(({ name }) => name)).toEqual(["ca", "server", "admin"]);
  expect(await verify(dir, "sslclient", join(dir, "clients", "admin.pem"))).toContain(": OK");
});

test("a context that leads elsewhere is not replaced without being told to", async () => {
  const dir = folders.make();
  const far = { server: "https://far.example:6443", ca: "/far/ca.crt", cert: "/far/me.pem", key: "/far/me.pem" };
  fs.writeFileSync(join(dir, "config.json"), JSON.stringify({ current: "default", contexts: { default: far } }));
  const { status, err } = await cert(dir, "init");
  expect(status).toBe(1);
  expect(err).toContain("leads to https://far.example:6443");
  expect(Object.keys(contents(dir))).toEqual(["/config.json"]);
  expect((await cert(dir, "init", "--context", "here")).status).toBe(0);
  const config = JSON.parse(fs.readFileSync(join(dir, "config.json"), "utf8"));
  expect([config.current, config.contexts.default]).toEqual(["here", far]);
});

test("a folder in which everybody may write is refused", async () => {
  const dir = folders.make();
  fs.chmodSync(dir, 0o777);
  expect((await cert(dir, "init")).err).toContain(`everybody may write to ${dir}\nhint: chmod 700 ${dir}`);
  expect(fs.readdirSync(dir)).toEqual([]);
});

test("a folder that cannot be made is named", async () => {
  const file = join(folders.make(), "file");
  fs.writeFileSync(file, "");
  expect((await cert(join(file, "tele"), "init")).err).toMatch(
    new RegExp(`${file}/tele.* cannot be (read|written): ENOTDIR`),
  );
});

test.concurrent.each([
  [["--user", "../evil"], "../evil"],
  [["--user", "server"], "server"],
  [["--san", "a_b"], "a_b"],
  [["--san", ""], '""'],
  [["--server", "http://box"], "http://box"],
  [["--days", "many"], "many"],
  [["--days", "826"], "825 days"],
  [["--context", "a/b"], "a/b"],
])("init %p makes nothing and names the fault", async (words, named) => {
  const dir = join(folders.make(), "tele");
  const { status, out, err } = await cert(dir, "init", ...words);
  expect([status, out]).toEqual([2, ""]);
  expect(err).toContain(named);
  expect(err.trimEnd().split("\n").length).toBe(2);
  expect(fs.existsSync(dir)).toBe(false);
});
