import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { CertError } from "#certs/errors.ts";
import { exportCurl } from "#certs/export.ts";
import { init } from "#certs/init.ts";
import { loadServer } from "#certs/load.ts";
import { issueClient, list, show } from "#certs/main.ts";
import { cert, initialised, run, tempFolders } from "#test/support/certs.ts";
import { need } from "#test/support/needs.ts";
import { importsOf, projectRoot, textOf } from "#test/support/sources.ts";

// Processes and P-384 keys take a while on a machine that is busy.
setDefaultTimeout(30_000);

const folders = tempFolders();
beforeAll(() => need("openssl"));
afterAll(() => folders.remove());

test.concurrent.each([
  [["issue", "../evil", "--role", "viewer"], '"../evil"'],
  [["issue", "a/b", "--role", "viewer"], '"a/b"'],
  [["issue", "server", "--role", "viewer"], '"server"'],
  [["issue", "alice"], "--role"],
  [["issue", "alice", "--role", "root"], '"root"'],
  [["issue", "alice", "--role", "viewer", "--ttl", "90"], '"90"'],
  [["issue", "alice", "--role", "viewer", "--ttl", ""], '""'],
  [["issue", "alice", "--role", "viewer", "--ttl", "20y"], "passes the end of the certificate authority"],
  [["renew", "nobody"], '"nobody"'],
  [["renew", "ca"], '"ca"'],
  [["renew", "admin", "--san", "x.example"], "--san"],
  [["renew", "server", "--ttl", "3y"], "825 days"],
  [["revoke", "nobody"], '"nobody"'],
  [["revoke", "server"], "tele cert renew server"],
  [["revoke", "ca"], "tele cert init --force"],
  [["show", "nobody"], '"nobody"'],
  [["export", "nobody", "--curl"], '"nobody"'],
  [["export", "admin"], "--p12"],
  [["revoke", "admin", "--curl"], "--curl"],
  [["list", "--host", "box"], "--host"],
  [["list", "--bogus"], "--bogus"],
  [["show", "admin", "server"], '"server"'],
])("%p is refused with one fault and one way out", async (words, named) => {
  const dir = await initialised(folders);
  const before = fs.readdirSync(dir, { recursive: true });
  const { status, out, err } = await cert(dir, ...words);
  expect([status, out]).toEqual([named === '"nobody"' ? 1 : 2, ""]);
  expect(err).toContain(named);
  expect(err.trimEnd().split("\n").length).toBe(2);
  expect(fs.readdirSync(dir, { recursive: true })).toEqual(before);
  expect(fs.existsSync(join(dirname(dir), "evil.pem"))).toBe(false);
});

test("without an authority every command says how to make one", async () => {
  const dir = folders.make();
  for (const words of [
    ["list"],
    ["show", "admin"],
    ["issue", "a", "--role", "viewer"],
    ["renew", "server"],
    ["revoke", "a"],
    ["export", "a", "--curl"],
  ]) {
    const { status, err } = await cert(dir, ...words);
    expect(status).toBe(1);
    expect(err).toBe(`error: there is no certificate authority in ${dir}\nhint: make one with: tele cert init\n`);
  }
});

const GARBAGE =
  "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

const user = { name: "x", roles: ["viewer"] };

test.each([
  ["ca.crt", "", list, 'has no "BEGIN CERTIFICATE" block'],
  ["ca.crt", GARBAGE, list, "has no certificate that can be read"],
  ["ca.key", "", (dir: string) => issueClient({ dir, ...user }), 'has no "BEGIN PRIVATE KEY" block'],
  ["ca.key", GARBAGE, (dir: string) => issueClient({ dir, ...user }), "has no key that can be read"],
  ["clients/admin.pem", GARBAGE, (dir: string) => show(dir, "admin"), "has no certificate that can be read"],
  ["clients/admin.pem", GARBAGE, (dir: string) => exportCurl(dir, "admin"), "has no certificate that can be read"],
  ["server.pem", "", (dir: string) => show(dir, "server"), 'has no "BEGIN CERTIFICATE" block'],
  ["server.pem", GARBAGE, loadServer, "has no certificate that can be read"],
  ["issued.jsonl", "{\n", list, "line 1 is not a record of a certificate"],
  ["revoked", "oops\n", loadServer, "line 1 does not begin with a SHA-256 fingerprint"],
  ["config.json", "{", (dir: string) => exportCurl(dir, "admin"), "is not JSON"],
] as const)("a broken %s (%p) is named, with a way out", async (name, content, act, why) => {
  const dir = await initialised(folders);
  fs.writeFileSync(join(dir, name), content);
  let fault: unknown;
  try {
    await act(dir);
  } catch (error) {
    fault = error;
  }
  expect(fault).toBeInstanceOf(CertError);
  const { fields } = fault as CertError;
  expect(fields.detail).toStartWith(`${join(dir, name)}: ${why}`);
  expect(fields.path).toBe(join(dir, name));
  expect(fields.hint).not.toBe("");
});

test("a key that is another's is named", async () => {
  const dir = await initialised(folders);
  const { out } = await run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]);
  fs.writeFileSync(join(dir, "ca.key"), out);
  expect((await cert(dir, "issue", "x", "--role", "viewer")).err).toContain(
    `${dir}/ca.key: its key and its certificate do not belong together`,
  );
  const { out: rsa } = await run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
  fs.writeFileSync(join(dir, "ca.key"), rsa);
  expect((await cert(dir, "issue", "x", "--role", "viewer")).err).toContain(`${dir}/ca.key: is not a P-384 key`);
});

test("a key that others can read is not used", async () => {
  const dir = await initialised(folders);
  for (const [name, words] of [
    ["ca.key", ["issue", "x", "--role", "viewer"]],
    ["server.pem", ["show", "server"]],
  ] as const) {
    fs.chmodSync(join(dir, name), 0o640);
    expect((await cert(dir, ...words)).err).toBe(
      `error: ${join(dir, name)} holds a key and is open to others (mode 0640)\nhint: chmod 600 ${join(dir, name)}\n`,
    );
  }
});

test("a server's certificate from another authority is refused by the server that loads it", async () => {
  const [dir, other] = [await initialised(folders), folders.make()];
  await init({ dir: other });
  fs.copyFileSync(join(other, "server.pem"), join(dir, "server.pem"));
  expect(() => loadServer(dir)).toThrow(`${dir}/server.pem: is not from the authority in ca.crt`);
});

test("commands that make no certificate load nothing that makes one", () => {
  const heavy = /^(@peculiar|pkijs|asn1js|reflect-metadata)/;
  const reached = new Set<string>();
  const visit = (file: string): string[] => {
    if (reached.has(file)) return [];
    reached.add(file);
    const statics = textOf(file).replace(/\bimport\(/g, "later(");
    return importsOf(statics).flatMap(({ specifier }) => {
      if (heavy.test(specifier)) return [`${file}: ${specifier}`];
      const isOurs = specifier.startsWith("./") && file.startsWith("certs-tool/");
      const isTypeOnly = new RegExp(`import type [^;]*"${specifier}"`).test(statics);
      return isOurs && !isTypeOnly ? visit(join("certs-tool", specifier)) : [];
    });
  };
  for (const file of ["context", "init", "main", "revoke", "export", "load", "render"])
    expect(visit(`certs-tool/${file}.ts`)).toEqual([]);
  expect(fs.existsSync(join(projectRoot, "certs-tool/issue.ts"))).toBe(true);
  expect(reached.has("certs-tool/issue.ts")).toBe(false);
});
