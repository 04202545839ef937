import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { createSecureServer, type Http2SecureServer, type Http2ServerRequest } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { init } from "#certs/init.ts";
import { loadServer } from "#certs/load.ts";
import { issueClient } from "#certs/main.ts";
import { revoke } from "#certs/revoke.ts";
import { findRevoked } from "#certs/revoked.ts";
import { cert, certWords, initialised, run, tempFolders } from "#test/support/certs.ts";
import { need } from "#test/support/needs.ts";

// Processes and P-384 keys take a while on a machine that is busy.
setDefaultTimeout(30_000);

const folders = tempFolders();
const servers: Http2SecureServer[] = [];
const watchers: fs.FSWatcher[] = [];
beforeAll(() => need("curl", "openssl"));
afterAll(() => {
  for (const watcher of watchers) watcher.close();
  for (const server of servers) server.close();
  folders.remove();
});

/** The peer of a request, whichever of the two protocols it came by. */
function peerOf(request: Http2ServerRequest) {
  const socket = (request.stream?.session?.socket ?? request.socket) as TLSSocket;
  return socket.getPeerCertificate();
}

/** A server that is made of a folder of certificates, reloads them when they change, and says who is asking. */
async function serve(dir: string): Promise<{ port: number; reloaded: (check: () => boolean) => Promise<void> }> {
  let identity = loadServer(dir);
  const tls = () => ({ key: identity.pem, cert: identity.pem, ca: identity.ca });
  const rules = { allowHTTP1: true, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" } as const;
  const server = createSecureServer({ ...rules, ...tls() }, (request, response) => {
    const peer = peerOf(request);
    const isRevoked = findRevoked(identity.revoked, peer.fingerprint256) !== undefined;
    response.statusCode = isRevoked ? 401 : 200;
    response.end(JSON.stringify({ user: peer.subject.CN, roles: peer.subject.O }));
  });
  servers.push(server);
  const changes = new Set<string>();
  const watcher = fs.watch(dir, () => {
    identity = loadServer(dir);
    server.setSecureContext(tls());
    changes.add(identity.pem);
  });
  watchers.push(watcher);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const reloaded = async (check: () => boolean): Promise<void> => {
    const deadline = Date.now() + 5000;
    while ((changes.size === 0 || !check()) && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { port: (server.address() as AddressInfo).port, reloaded };
}

/** What curl gets of a server, with the words of the curl line that the tool prints. */
async function curl(
  line: string,
  port: number,
  ...more: string[]
): Promise<{ status: number | null; out: string; err: string }> {
  const words = line
    .trim()
    .split(" ")
    .map((word) => word.replace(":6443", `:${port}`));
  return run([...words, "--silent", "--show-error", "--write-out", " %{http_code}", ...more]);
}

test("the curl line works, with HTTP/2 and HTTP/1.1, and the server sees the user and the roles", async () => {
  const dir = await initialised(folders);
  await issueClient({ dir, name: "alice", roles: ["viewer", "operator"] });
  const { port } = await serve(dir);
  const { out: line } = await cert(dir, "export", "alice", "--curl");
  const { out: json } = await cert(dir, "export", "admin", "--curl", "--json");
  for (const version of ["--http2", "--http1.1"]) {
    expect((await curl(line, port, version)).out).toBe('{"user":"alice","roles":["operator","viewer"]} 200');
    expect((await curl(JSON.parse(json).argv.join(" "), port, version)).out).toBe(
      '{"user":"admin","roles":"admin"} 200',
    );
  }
});

test("who has no certificate, one of another authority or one of a server is not let in", async () => {
  const [dir, other] = [await initialised(folders), folders.make()];
  await init({ dir: other });
  const { port } = await serve(dir);
  const plain = `curl --cacert ${dir}/ca.crt https://localhost:6443/`;
  const clients = ["", `${other}/clients/admin.pem`, `${dir}/server.pem`];
  for (const file of clients) {
    const { status, out } = await curl(file ? `${plain} --cert ${file} --key ${file}` : plain, port);
    expect(status).not.toBe(0);
    expect(out).not.toContain("user");
  }
  const fooled = await curl(
    `curl --cacert ${other}/ca.crt --cert ${dir}/clients/admin.pem https://localhost:6443/`,
    port,
  );
  expect(fooled.err).toContain("certificate");
});

test("a server takes up a renewed certificate and a revocation while it runs", async () => {
  const dir = await initialised(folders);
  await issueClient({ dir, name: "alice", roles: ["viewer"] });
  const { port, reloaded } = await serve(dir);
  const { out: line } = await cert(dir, "export", "alice", "--curl");
  const serial = async (): Promise<string> => {
    const { out } = await run(["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-showcerts"]);
    return (await run(["openssl", "x509", "-noout", "-serial"], { input: out })).out.trim().toLowerCase();
  };
  const before = await serial();
  const { record } = JSON.parse((await cert(dir, "renew", "server", "--json")).out);
  await reloaded(() => loadServer(dir).certificate.serialNumber.toLowerCase() === record.serial);
  expect(await serial()).toBe(`serial=${record.serial}`);
  expect(before).not.toBe(await serial());
  expect((await curl(line, port)).out).toEndWith(" 200");

  revoke(dir, "alice");
  await reloaded(() => loadServer(dir).revoked.size === 1);
  expect((await curl(line, port)).out).toEndWith(" 401");
});

test("openssl as the server, at its strictest, lets the client in", async () => {
  const dir = await initialised(folders);
  const rules = ["-tls1_3", "-Verify", "1", "-verify_return_error", "-x509_strict", "-CAfile", "ca.crt"];
  // Port 0 has the kernel choose one, which s_server prints; -www answers with what it knows of the client.
  const files = ["-cert", "server.pem", "-key", "server.pem", "-accept", "127.0.0.1:0", "-www"];
  const server = spawn("openssl", ["s_server", ...rules, ...files], { cwd: dir, stdio: ["ignore", "pipe", "ignore"] });
  const ended = new Promise((resolve) => server.on("close", resolve));
  try {
    let said = "";
    let port = 0;
    for await (const part of server.stdout) {
      said += String(part);
      port = Number(/^ACCEPT .*:(\d+)$/m.exec(said)?.[1] ?? 0);
      if (port > 0) break;
    }
    const { out } = await curl((await cert(dir, "export", "admin", "--curl")).out, port);
    expect(out).toContain("Client certificate");
    expect(out).toContain("Subject: O=admin, CN=admin");
  } finally {
    server.kill();
    await ended;
  }
});

test("a PKCS#12 file opens with its password, with AES-256 and SHA-256, and not with another", async () => {
  const dir = await initialised(folders);
  const file = join(folders.make(), "admin.p12");
  const passwordFile = join(dir, "password");
  fs.writeFileSync(passwordFile, "cörrect horse\n");
  const { status, out } = await cert(dir, "export", "admin", "--p12", file, "--password-file", passwordFile);
  expect([status, out]).toEqual([0, `${file}\n`]);
  expect(fs.statSync(file).mode & 0o777).toBe(0o600);

  const open = (password: string, ...words: string[]) =>
    run(["openssl", "pkcs12", "-in", file, "-passin", "env:PASSWORD", ...words], { env: { PASSWORD: password } });
  const opened = await open("cörrect horse", "-info", "-nodes");
  expect(opened.status).toBe(0);
  expect(opened.err).toContain("MAC: sha256, Iteration 100000");
  expect(opened.err).toContain("Shrouded Keybag: PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256");
  expect(opened.err).toContain("Encrypted data: PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256");
  expect(opened.out).toContain("friendlyName: admin");
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/;
  expect(key.exec(opened.out)?.[0]).toBe(
    key.exec(fs.readFileSync(join(dir, "clients", "admin.pem"), "utf8"))?.[0] ?? "none",
  );
  expect(opened.out.match(/BEGIN CERTIFICATE/g)?.length).toBe(2);

  const wrong = await open("wrong", "-noout");
  expect(wrong.status).not.toBe(0);
  expect(wrong.err).toContain("Mac verify error");
});

test("curl takes the PKCS#12 file as its certificate", async () => {
  const dir = await initialised(folders);
  const { port } = await serve(dir);
  const file = join(folders.make(), "admin.p12");
  const exporting = certWords(dir, "export", "admin", "--p12", file);
  const empty = await run(exporting);
  expect([empty.status, empty.out]).toEqual([2, ""]);
  expect(empty.err).toContain("the password is empty");
  expect((await run(exporting, { input: "s3cret\n" })).status).toBe(0);
  const words = `curl --cacert ${dir}/ca.crt --cert-type P12 --cert ${file}:s3cret https://localhost:6443/`;
  expect((await curl(words, port)).out).toBe('{"user":"admin","roles":"admin"} 200');

  const again = await run(exporting, { env: { TELE_P12_PASSWORD: "other" } });
  expect(again.err).toContain(`${file} exists already`);
  expect((await run([...exporting, "--force"], { env: { TELE_P12_PASSWORD: "other" } })).status).toBe(0);
  expect((await curl(words.replace("s3cret", "other"), port)).out).toEndWith(" 200");
});

test("a password file that is not there makes no PKCS#12 file, and the other ways are named", async () => {
  const dir = await initialised(folders);
  const { err } = await cert(dir, "export", "admin", "--p12", join(dir, "x.p12"), "--password-file", join(dir, "none"));
  expect(err).toContain("TELE_P12_PASSWORD");
  expect(fs.existsSync(join(dir, "x.p12"))).toBe(false);
});
