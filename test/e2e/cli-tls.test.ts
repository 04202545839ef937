/** What the command line says when it and a server do not come together: which side, which file, what to do. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority, makeLeaf, writeContext } from "#test/support/cli-pki.ts";
import { type Ran, tele } from "#test/support/cli-run.ts";
import { type CliServer, makeJob, startCliServer } from "#test/support/cli-server.ts";
import { need } from "#test/support/needs.ts";

// A process of the command line takes a tenth of a second; on a busy machine much longer.
setDefaultTimeout(60_000);

let dir: string;
let server: CliServer;

beforeAll(async () => {
  need("openssl");
  dir = mkdtempSync(join(tmpdir(), "tele-cli-"));
  for (const name of ["ca", "other"]) makeAuthority(dir, name);
  makeLeaf(dir, { name: "server", ca: "ca", usage: "serverAuth", san: "IP:127.0.0.1" });
  makeLeaf(dir, { name: "client", ca: "ca", usage: "clientAuth" });
  makeLeaf(dir, { name: "rogue", ca: "other", usage: "clientAuth" });
  makeLeaf(dir, { name: "expired", ca: "ca", usage: "clientAuth", days: -1 });
  makeLeaf(dir, { name: "purpose", ca: "ca", usage: "serverAuth" });
  server = await startCliServer(dir);
  server.jobs.set("a", makeJob("a"));
});

afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

const GOOD = { ca: "ca.crt", cert: "client.crt", key: "client.key" };

/** The same question over both transports: `status` over the short one, `watch` over the streaming one. */
async function both(
  files: typeof GOOD,
  env: Readonly<Record<string, string>> = {},
  ...flags: string[]
): Promise<Ran[]> {
  writeContext(dir, server.url, files);
  const all = { TELE_CONFIG_DIR: dir, ...env };
  return Promise.all([tele(["status", ...flags, "a"], all), tele(["watch", ...flags, "a"], all)]);
}

async function expectRefusal(rans: Promise<Ran[]>, said: string): Promise<void> {
  for (const { status, stdout, stderr } of await rans) {
    expect({ status, stdout }).toEqual({ status: 3, stdout: "" });
    expect(stderr).toContain(`error: ${said}`);
    expect(stderr).toContain("hint: ");
  }
}

test("no server", async () => {
  await expectRefusal(
    both(GOOD, {}, "--host", "localhost:1"),
    "no server at localhost:1\nhint: start one with: tele serve",
  );
  await expectRefusal(both(GOOD, { TELE_HOST: "127.0.0.2:1" }), "no server at 127.0.0.2:1\nhint: check --host");
  await expectRefusal(both(GOOD, {}, "--host", "no-such-host.invalid"), "no host is known as no-such-host.invalid");
});

test("no context, or no such context", async () => {
  expect(await tele(["ps"], { TELE_CONFIG_DIR: join(dir, "none") })).toMatchObject({
    status: 3,
    stderr: `error: no context: ${join(dir, "none")}/config.json does not exist\nhint: make certificates and a context with: tele cert init\n`,
  });
  writeContext(dir, server.url, GOOD);
  const { stderr } = await tele(["ps", "--context", "prod"], { TELE_CONFIG_DIR: dir });
  expect(stderr).toContain('no context is called "prod"');
  expect(stderr).toContain("hint: use one of: default");
});

test("a client certificate of another authority", async () => {
  await expectRefusal(
    both({ ...GOOD, cert: "rogue.crt", key: "rogue.key" }),
    `the server at ${new URL(server.url).host} refused the client certificate ${join(dir, "rogue.crt")}`,
  );
});

test("a client certificate for servers", async () => {
  await expectRefusal(
    both({ ...GOOD, cert: "purpose.crt", key: "purpose.key" }),
    `the server at ${new URL(server.url).host} refused`,
  );
});

test("an expired client certificate", async () => {
  await expectRefusal(
    both({ ...GOOD, cert: "expired.crt", key: "expired.key" }),
    `the client certificate ${join(dir, "expired.crt")} expired on Jan  2 00:00:00 2020 GMT`,
  );
});

test("a key of another certificate, no key, no file", async () => {
  await expectRefusal(both({ ...GOOD, key: "rogue.key" }), `the key ${join(dir, "rogue.key")} is not that of`);
  writeFileSync(join(dir, "junk.key"), "junk");
  await expectRefusal(both({ ...GOOD, key: "junk.key" }), `${join(dir, "junk.key")} is no private key`);
  await expectRefusal(
    both({ ...GOOD, cert: "none.crt" }),
    `the client certificate ${join(dir, "none.crt")} cannot be read: ENOENT`,
  );
});

test("a server of another authority, even where the environment says not to look", async () => {
  const said = `the server at ${new URL(server.url).host} shows a certificate that was not made by the authority`;
  await expectRefusal(both({ ...GOOD, ca: "other.crt" }), said);
  await expectRefusal(both({ ...GOOD, ca: "other.crt" }, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }), said);
  await expectRefusal(both({ ...GOOD, ca: "other.crt" }, { NODE_EXTRA_CA_CERTS: join(dir, "ca.crt") }), said);
});

test("a server whose certificate has another name", async () => {
  const host = `localhost:${new URL(server.url).port}`;
  await expectRefusal(both(GOOD, {}, "--host", host), `the certificate of the server at ${host} is not for that name`);
});

test("something that is not TLS", async () => {
  const plain = createServer((socket) => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(plain.address() as AddressInfo).port}`;
  try {
    await expectRefusal(both(GOOD, {}, "--host", host), `what listens at ${host} does not speak TLS`);
  } finally {
    plain.close();
  }
});

test("proxies in the environment have no say", async () => {
  const rans = await both(GOOD, { HTTPS_PROXY: "http://127.0.0.1:1", https_proxy: "http://127.0.0.1:1" });
  expect(rans[0]).toMatchObject({ status: 0 });
});

test("one file may hold both key and certificate", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tele-cli-"));
  try {
    cpSync(join(dir, "ca.crt"), join(folder, "ca.crt"));
    const pem = await Promise.all(["client.key", "client.crt"].map((name) => Bun.file(join(dir, name)).text()));
    writeFileSync(join(folder, "both.pem"), pem.join(""));
    writeContext(folder, server.url, { ca: "ca.crt", cert: "both.pem", key: "both.pem" });
    expect((await tele(["ps", "-q"], { TELE_CONFIG_DIR: folder })).stdout).toBe("jobs/a\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
