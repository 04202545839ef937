import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { parseContexts, resolveContext } from "#certs/context.ts";
import { loadServer } from "#certs/load.ts";
import { issueClient, list, show } from "#certs/main.ts";
import { revoke } from "#certs/revoke.ts";
import { findRevoked } from "#certs/revoked.ts";
import { cert, initialised, run, tempFolders, verify } from "#test/support/certs.ts";
import { need } from "#test/support/needs.ts";

// Processes and P-384 keys take a while on a machine that is busy.
setDefaultTimeout(30_000);

const folders = tempFolders();
beforeAll(() => need("openssl"));
afterAll(() => folders.remove());

function certificateIn(file: string): X509Certificate {
  return new X509Certificate(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(fs.readFileSync(file, "utf8"))?.[0] ?? "",
  );
}

test("issue makes a certificate with the roles and the lifetime that were asked for, and prints its file", async () => {
  const dir = await initialised(folders);
  const { status, out, err } = await cert(dir, "issue", "alice", "--role", "viewer", "--role=operator", "--ttl", "12h");
  const file = join(dir, "clients", "alice.pem");
  expect([status, out]).toEqual([0, `${file}\n`]);
  expect(err).toContain("role operator, viewer");
  expect(await verify(dir, "sslclient", file)).toContain(": OK");
  const certificate = certificateIn(file);
  expect(certificate.subject).toBe("O=operator\nO=viewer\nCN=alice");
  const seconds = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 1000;
  expect(seconds).toBe(12 * 3600 + 300);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);
});

test("without --ttl a user's certificate lasts 90 days", async () => {
  const dir = await initialised(folders);
  const { out } = await cert(dir, "issue", "alice", "--role", "viewer", "--json");
  const { record, files, others } = JSON.parse(out);
  expect(Math.round((Date.parse(record.notAfter) - Date.now()) / 86_400_000)).toBe(90);
  expect([files, others]).toEqual([[join(dir, "clients", "alice.pem")], []]);
});

test("issue does not replace a key without --force, and then says what is still accepted", async () => {
  const dir = await initialised(folders);
  const first = await issueClient({ dir, name: "alice", roles: ["operator"] });
  const file = first.files[0] ?? "";
  const before = fs.readFileSync(file, "utf8");
  const refused = await cert(dir, "issue", "alice", "--role", "viewer");
  expect(refused.status).toBe(1);
  expect(refused.err).toContain(`${file} exists already\nhint: add --force`);
  expect(fs.readFileSync(file, "utf8")).toBe(before);
  expect(list(dir).length).toBe(4);
  const { status, err } = await cert(dir, "issue", "alice", "--role", "viewer", "--force");
  expect(status).toBe(0);
  expect(fs.readFileSync(file, "utf8")).not.toBe(before);
  expect(err).toContain(`tele cert revoke ${first.record.serial}`);
});

test("issue --out makes a folder that is all its owner needs", async () => {
  const dir = await initialised(folders);
  const out = join(folders.make(), "for-alice");
  expect(
    (await cert(dir, "issue", "alice", "--role", "viewer", "--out", out, "--server", "https://box.example:6443"))
      .status,
  ).toBe(0);
  expect(fs.readdirSync(out).sort()).toEqual(["alice.pem", "ca.crt", "config.json"]);
  expect(fs.existsSync(join(dir, "clients", "alice.pem"))).toBe(false);
  const config = join(out, "config.json");
  const context = resolveContext(parseContexts(fs.readFileSync(config, "utf8"), config), out);
  expect([context.server, context.cert, context.key]).toEqual([
    "https://box.example:6443",
    join(out, "alice.pem"),
    join(out, "alice.pem"),
  ]);
  expect(await verify(out, "sslclient", context.cert)).toContain(": OK");
  const again = await cert(dir, "issue", "bob", "--role", "viewer", "--out", out);
  expect(again.err).toContain(`${join(out, "ca.crt")} exists already`);
  expect(fs.existsSync(join(out, "bob.pem"))).toBe(false);
});

test("renew keeps the subject and changes the key, for a user and for the server", async () => {
  const dir = await initialised(folders);
  await issueClient({ dir, name: "alice", roles: ["operator", "viewer"] });
  for (const [name, file] of [
    ["alice", "clients/alice.pem"],
    ["server", "server.pem"],
  ] as const) {
    const before = certificateIn(join(dir, file));
    const { status, out } = await cert(dir, "renew", name);
    expect([status, out]).toEqual([0, `${join(dir, file)}\n`]);
    const after = certificateIn(join(dir, file));
    expect(after.subject).toBe(before.subject);
    expect(after.subjectAltName).toBe(before.subjectAltName);
    expect(after.publicKey.equals(before.publicKey)).toBe(false);
    expect(after.serialNumber).not.toBe(before.serialNumber);
    expect(fs.statSync(join(dir, file)).mode & 0o777).toBe(0o600);
  }
});

test("renew server adds names, and no reader ever sees a key without its certificate", async () => {
  const dir = await initialised(folders);
  const first = loadServer(dir).pem;
  const renewing = cert(dir, "renew", "server", "--san", "new.example", "--ttl", "30d");
  const deadline = Date.now() + 10_000;
  // loadServer throws when the two do not belong together.
  while (loadServer(dir).pem === first && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 0));
  expect((await renewing).status).toBe(0);
  expect(loadServer(dir).certificate.subjectAltName).toContain("DNS:new.example");
});

test("revoke enters every certificate of a user into the list, once", async () => {
  const dir = await initialised(folders);
  const { record: first } = await issueClient({ dir, name: "alice", roles: ["viewer"] });
  const { record: second } = await issueClient({ dir, name: "alice", roles: ["viewer"], force: true });
  const { status, out, err } = await cert(dir, "revoke", "alice", "--why", "lost\nher laptop");
  expect([status, out]).toEqual([0, `${first.fingerprint}\n${second.fingerprint}\n`]);
  expect(err).toContain(join(dir, "revoked"));
  const { revoked, files } = loadServer(dir);
  const { certificate } = { certificate: certificateIn(join(dir, "clients", "alice.pem")) };
  const entry = findRevoked(revoked, certificate.fingerprint256);
  expect(entry).toMatchObject({
    fingerprint: second.fingerprint,
    serial: second.serial,
    name: "alice",
    why: "lost her laptop",
  });
  expect(entry?.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  expect(files.revoked).toBe(join(dir, "revoked"));

  const text = fs.readFileSync(files.revoked, "utf8");
  const again = await cert(dir, "revoke", "alice");
  expect([again.status, again.out]).toEqual([0, ""]);
  expect(again.err).toContain("was revoked before");
  expect(fs.readFileSync(files.revoked, "utf8")).toBe(text);
});

test("revoke takes a serial, or a fingerprint as openssl writes it, and leaves the user's others alone", async () => {
  const dir = await initialised(folders);
  const { record: first } = await issueClient({ dir, name: "alice", roles: ["viewer"] });
  const { record: second } = await issueClient({ dir, name: "alice", roles: ["viewer"], force: true });
  revoke(dir, first.serial);
  expect(
    list(dir)
      .slice(3)
      .map(({ state }) => state),
  ).toEqual(["revoked", "valid"]);
  const { out } = await run([
    "openssl",
    "x509",
    "-noout",
    "-fingerprint",
    "-sha256",
    "-in",
    join(dir, "clients", "alice.pem"),
  ]);
  expect(revoke(dir, out.trim().split("=")[1] ?? "").entries[0]?.fingerprint).toBe(second.fingerprint);
});

test("a fingerprint of another authority's certificate can be revoked too", async () => {
  const dir = await initialised(folders);
  const fingerprint = "0a".repeat(32);
  expect((await cert(dir, "revoke", fingerprint)).out).toBe(`${fingerprint}\n`);
  expect(loadServer(dir).revoked.has(fingerprint)).toBe(true);
});

test("a line that somebody left open in the list is not joined with the next", async () => {
  const dir = await initialised(folders);
  fs.appendFileSync(join(dir, "revoked"), "0b".repeat(32));
  revoke(dir, "admin");
  expect(loadServer(dir).revoked.size).toBe(2);
});

test("what is revoked is not renewed, and the way out works", async () => {
  const dir = await initialised(folders);
  await issueClient({ dir, name: "alice", roles: ["operator"] });
  revoke(dir, "alice");
  const { status, err } = await cert(dir, "renew", "alice");
  expect(status).toBe(1);
  const hint = /tele cert (.*)/.exec(err)?.[1] ?? "";
  expect(hint).toBe("issue alice --role operator --force");
  expect((await cert(dir, ...hint.split(" "))).status).toBe(0);
  expect(show(dir, "alice").state).toBe("valid");
});

test("list is a table, with the state of each", async () => {
  const dir = await initialised(folders);
  const past = new Date(Date.now() - 86_400_000);
  await issueClient({ dir, name: "old", roles: ["viewer"], ttl: "1h", now: past });
  await issueClient({ dir, name: "gone", roles: ["viewer", "admin"], ttl: "2d" });
  revoke(dir, "gone");
  const { out, err } = await cert(dir, "list");
  expect(err).toBe("");
  const rows = out
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  expect(rows[0]).toEqual(["NAME", "ROLES", "SERIAL", "EXPIRES IN", "STATE"]);
  expect(rows.slice(1).map((row) => [row[0], row[1], row[4]])).toEqual([
    ["ca", "(ca)", "valid"],
    ["server", "(server)", "valid"],
    ["admin", "admin", "valid"],
    ["old", "viewer", "expired"],
    ["gone", "admin,viewer", "revoked"],
  ]);
  expect((await cert(dir, "list", "--quiet")).out).toBe("ca\nserver\nadmin\nold\ngone\n");
  expect((await cert(dir, "list", "--format", "{{.name}}={{.state}}")).out).toContain("old=expired\ngone=revoked\n");
  const json = JSON.parse((await cert(dir, "list", "--json")).out);
  expect(json.map(({ name, state }: { name: string; state: string }) => `${name} ${state}`).at(-1)).toBe(
    "gone revoked",
  );
});

test("show tells everything about one, by name, serial or fingerprint", async () => {
  const dir = await initialised(folders);
  const record = show(dir, "admin");
  const { out } = await cert(dir, "show", record.serial);
  for (const part of [
    "O=admin, CN=admin",
    record.serial,
    record.fingerprint,
    record.notAfter,
    join(dir, "clients", "admin.pem"),
  ])
    expect(out).toContain(part);
  expect(JSON.parse((await cert(dir, "show", record.fingerprint, "--json")).out)).toMatchObject({
    name: "admin",
    state: "valid",
  });
  expect((await cert(dir, "show", "server")).out).toContain("127.0.0.1");
});

test("100 certificates have 100 serials, positive and of 16 octets each", async () => {
  const dir = await initialised(folders);
  const made = await Promise.all(
    Array.from({ length: 100 }, (_, index) => issueClient({ dir, name: `u${index}`, roles: ["viewer"] })),
  );
  const serials = made.map(({ files }) => certificateIn(files[0] ?? "").serialNumber);
  expect(new Set(serials).size).toBe(100);
  // A first digit above 7 would be a sign in DER, or a seventeenth octet.
  for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
  expect(list(dir).length).toBe(103);
});

test("processes that issue at the same time lose nothing of the index", async () => {
  const dir = await initialised(folders);
  const names = ["a", "b", "c"];
  await Promise.all(names.map((name) => cert(dir, "issue", name, "--role", "viewer")));
  const known = list(dir).map(({ name }) => name);
  expect(known.slice(3).sort()).toEqual(names);
});
