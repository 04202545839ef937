import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init } from "#certs/init.ts";
import { TELE } from "#test/support/cli-run.ts";
import { need } from "#test/support/needs.ts";

// A runtime's variable names an authority that the operating system's users trust; it says nothing of who may run jobs.

const folder = mkdtempSync(join(tmpdir(), "tele-test-authorities-"));
const ours = join(folder, "ours");
const theirs = join(folder, "theirs");
let server: ChildProcess | undefined;
let port = "";

beforeAll(async () => {
  need("root", "curl");
  await init({ dir: ours });
  await init({ dir: theirs });
  const words = ["serve", "--listen", "127.0.0.1:0", "--state-dir", join(folder, "state"), "--config-dir", ours];
  const [program, ...before] = TELE;
  server = spawn(program, [...before, ...words, "--cgroup-name", `tele-test-authorities-${process.pid}`], {
    env: { PATH: process.env["PATH"] ?? "", NODE_EXTRA_CA_CERTS: join(theirs, "ca.crt") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  for await (const chunk of server.stderr ?? []) {
    said += String(chunk);
    port = /127\.0\.0\.1:(\d+)/.exec(said)?.[1] ?? "";
    if (port !== "") break;
  }
}, 30_000);

afterAll(async () => {
  if (server && server.exitCode === null) {
    const gone = once(server, "exit");
    server.kill("SIGTERM");
    await gone;
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Status of a request with the admin's certificate of an authority; 000 where TLS failed. */
function status(of: string): string {
  const pem = join(of, "clients/admin.pem");
  const url = `https://127.0.0.1:${port}/v1/jobs`;
  const words = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", join(ours, "ca.crt"), "--cert", pem, url];
  return spawnSync("curl", words, { encoding: "utf8" }).stdout;
}

test("an authority in NODE_EXTRA_CA_CERTS makes no clients", () => {
  expect(port).not.toBe("");
  expect(status(ours)).toBe("200");
  expect(status(theirs)).toBe("000");
});
