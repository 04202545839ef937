import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { init } from "#certs/init.ts";
import { list } from "#certs/main.ts";
import { certWords, contents, initialised, tempFolders, verify } from "#test/support/certs.ts";
import { need } from "#test/support/needs.ts";

// Processes and P-384 keys take a while on a machine that is busy.
setDefaultTimeout(30_000);

const folders = tempFolders();
beforeAll(() => need("openssl"));
afterAll(() => folders.remove());

test("an init that ended between any two moves is finished by the next", async () => {
  const moves = ["issued.jsonl", "ca.key", "server.pem", "clients/admin.pem", "config.json", "revoked", "ca.crt"];
  const whole = contents(await initialised(folders));
  for (let done = 0; done <= moves.length; done += 1) {
    const dir = await initialised(folders);
    const stage = join(dir, ".init");
    fs.mkdirSync(join(stage, "clients"), { recursive: true, mode: 0o700 });
    for (const name of moves.slice(done)) fs.renameSync(join(dir, name), join(stage, name));
    // The one under both names was linked when the end came.
    const last = moves[done - 1];
    if (last) fs.linkSync(join(dir, last), join(stage, last));
    fs.writeFileSync(join(stage, "plan.json"), JSON.stringify({ user: "admin", replace: false }));
    expect((await init({ dir })).finished).toBe(true);
    expect(contents(dir)).toEqual(whole);
  }
});

test("whoever comes after a killed init finishes it", async () => {
  const dir = await initialised(folders);
  fs.mkdirSync(join(dir, ".init"));
  fs.renameSync(join(dir, "ca.crt"), join(dir, ".init", "ca.crt"));
  fs.writeFileSync(join(dir, ".init", "plan.json"), JSON.stringify({ user: "admin", replace: false }));
  expect(list(dir).length).toBe(3);
  expect(fs.existsSync(join(dir, ".init"))).toBe(false);
});

test("init killed at any moment leaves nothing half made, and can be run again", async () => {
  const seen = new Set<string>();
  const moments: ((names: string[]) => boolean)[] = [
    (names) => names.some((name) => name.startsWith(".tele-tmp-")),
    (names) => names.includes(".init"),
    (names) => names.includes("ca.crt"),
  ];
  for (const isNow of moments) {
    const dir = folders.make();
    const [program = "", ...args] = certWords(dir, "init");
    const child = spawn(program, args, { stdio: "ignore" });
    const ended = new Promise((resolve) => child.on("close", resolve));
    const deadline = Date.now() + 10_000;
    while (!isNow(fs.readdirSync(dir)) && child.exitCode === null && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 0));
    child.kill("SIGKILL");
    await ended;
    const names = fs.readdirSync(dir);
    seen.add(names.includes("ca.crt") ? "there" : "not there");
    // Either there is no authority yet, or it is one that works.
    const { finished } = await init({ dir, force: names.includes("ca.crt") });
    if (names.includes(".init") && !names.includes("ca.crt")) expect(finished).toBe(true);
    expect(fs.readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([]);
    expect(await verify(dir, "sslserver", join(dir, "server.pem"))).toContain(": OK");
    expect(await verify(dir, "sslclient", join(dir, "clients", "admin.pem"))).toContain(": OK");
  }
  expect(seen).toContain("not there");
});

test("of two inits at once one wins whole", async () => {
  const dir = folders.make();
  const results = await Promise.allSettled([init({ dir }), init({ dir })]);
  expect(results.filter(({ status }) => status === "fulfilled").length).toBe(1);
  expect(await verify(dir, "sslserver", join(dir, "server.pem"))).toContain(": OK");
  expect(await verify(dir, "sslclient", join(dir, "clients", "admin.pem"))).toContain(": OK");
  expect(fs.readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([]);
});
