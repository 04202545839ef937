// The same sources, not built, under Deno: certificates, a server with its pump thread and its sandboxes (over koffi), the CLI.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { need } from "#test/support/needs.ts";
import { projectRoot } from "#test/support/sources.ts";

const folder = mkdtempSync(join(tmpdir(), "tele-deno-"));
const env = {
  PATH: process.env["PATH"] ?? "",
  NO_COLOR: "1",
  DENO_NO_UPDATE_CHECK: "1",
  TELE_CONFIG_DIR: join(folder, "config"),
  TELE_STATE_DIR: join(folder, "state"),
};
const main = ["run", "--allow-all", "--no-lock", "--cached-only", join(projectRoot, "src/main.ts")];
const cgroup = `tele-deno-${process.pid}`;
let deno = "";
let server: ChildProcess | undefined;

/** The CLI under Deno. */
function tele(...args: string[]): { status: number | null; out: string; err: string } {
  const done = spawnSync(deno, [...main, ...args], { env, encoding: "utf8", timeout: 30_000 });
  return { status: done.status, out: done.stdout, err: done.stderr };
}

beforeAll(async () => {
  need("root", "cgroup");
  // Deno's own package, as with Bun's: the command in node_modules/.bin would need an install script.
  const base = join(projectRoot, "node_modules/@deno");
  deno = join(base, readdirSync(base)[0] ?? "none", "deno");
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  probe.close();
  const made = tele("cert", "init", "--server", `https://localhost:${port}`);
  if (made.status !== 0) throw new Error(made.err);
  server = spawn(deno, [...main, "serve", "--listen", `127.0.0.1:${port}`, "--cgroup-name", cgroup], {
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  await new Promise<void>((done, refuse) => {
    let said = "";
    server?.stderr?.on("data", (bytes: Buffer) => {
      said += bytes.toString();
      if (said.includes("serving")) done();
    });
    server?.once("exit", () => refuse(new Error(`the server under Deno ended: ${said}`)));
  });
}, 60_000);

afterAll(async () => {
  if (server && server.exitCode === null) {
    const gone = once(server, "exit");
    server.kill("SIGTERM");
    await gone;
  }
  rmSync(folder, { recursive: true, force: true });
  const left = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => /\scgroup2?\s/.test(line))
    .map((line) => join(line.split(" ")[1] ?? "", cgroup))
    .filter((path) => existsSync(path));
  expect(left).toEqual([]);
}, 30_000);

test("it is Deno that runs these sources", () => {
  const [version] = spawnSync(deno, ["--version"], { encoding: "utf8" }).stdout.split("\n");
  const wanted = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")).devDependencies.deno;
  expect(version).toStartWith(`deno ${wanted}`);
  expect(tele("--version").out).toMatch(/^tele \d/);
});

test("a job runs in its own namespaces, is watched to its last byte, and its status is told", () => {
  const started = tele(
    "start",
    "--name",
    "portable",
    "--",
    "/bin/sh",
    "-c",
    "hostname; echo $$; echo late >&2; exit 3",
  );
  expect(started).toMatchObject({ status: 0, out: "jobs/portable\n" });
  const watched = tele("watch", "portable");
  expect(watched.out).toBe("sandbox\n2\n");
  expect(watched.err).toContain("late\n");
  expect(tele("wait", "portable")).toMatchObject({ status: 3, out: "3\n" });
  const job = JSON.parse(tele("status", "--json", "portable").out);
  expect(job).toMatchObject({ state: "FAILED", reason: "EXITED", end: { exitCode: 3 } });
}, 60_000);

test("a job that runs is stopped, and leaves nothing behind", () => {
  expect(tele("start", "--name", "endless", "--", "/bin/sleep", "1000").status).toBe(0);
  const { pid } = JSON.parse(tele("status", "--json", "endless").out);
  expect(readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("sleep\n");
  expect(tele("stop", "endless").status).toBe(0);
  expect(JSON.parse(tele("status", "--json", "endless").out)).toMatchObject({ state: "STOPPED", phase: "CLOSED" });
  expect(existsSync(`/proc/${pid}`)).toBe(false);
}, 60_000);
