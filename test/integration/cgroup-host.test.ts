import { afterEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { TeleError } from "#errors";
import { jobParents } from "#host/cgroup/facts.ts";
import { type CgroupHost, openCgroupHost } from "#host/cgroup/host.ts";
import { DEFAULT_LIMITS } from "#spec/limits.ts";
import { need } from "#test/support/needs.ts";
import { finish, startInside, until } from "./cgroup-job.ts";

need("root", "cgroup");

const hosts: CgroupHost[] = [];
let count = 0;
const freshName = (): string => `tele-test-${process.pid}-${count++}`;
async function open(options: { parent?: string; name?: string } = { name: freshName() }): Promise<CgroupHost> {
  const host = await openCgroupHost(options);
  hosts.push(host);
  return host;
}
const parents = (host: CgroupHost): string[] => jobParents(host.facts).map(({ parent }) => parent);
async function refusal(attempt: Promise<unknown>): Promise<TeleError | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    return error as TeleError;
  }
}

afterEach(async () => {
  const opened = hosts.splice(0);
  for (const host of opened) await host.close();
  expect(opened.flatMap(parents).filter((parent) => existsSync(parent))).toEqual([]);
});

test("every controller has a holder here, and create makes one directory in each hierarchy", async () => {
  const host = await open();
  for (const holder of Object.values(host.facts.holders)) expect(holder.by).not.toBe("none");
  const job = await host.create("a1", DEFAULT_LIMITS);
  for (const parent of parents(host)) expect(existsSync(join(parent, "a1"))).toBe(true);
  expect(job.procs()).toEqual([]);
  expect(job.enforced).toEqual(host.enforced(DEFAULT_LIMITS));
  await job.remove();
  for (const parent of parents(host)) expect(existsSync(join(parent, "a1"))).toBe(false);
});

test("a process that joins by the descriptors is in every cgroup of the job before it runs anything else", async () => {
  const host = await open();
  const job = await host.create("join", DEFAULT_LIMITS);
  const shell = startInside(job, "cat /proc/self/cgroup; echo; exec sleep 60");
  await until("it has spoken", 20, () => shell.stdout().endsWith("\n\n"));
  expect(shell.stdout().match(/\/join$/gm)?.length).toBe(parents(host).length);
  expect(job.procs()).toEqual([shell.pid]);
  await finish(job);
  expect((await shell.ended).signal).toBe("SIGKILL");
});

test("the descriptors are close-on-exec, and closing them gives every one back", async () => {
  const host = await open();
  const job = await host.create("descriptors", DEFAULT_LIMITS);
  const descriptors = [...job.tasks, ...(job.directory === undefined ? [] : [job.directory])];
  expect(descriptors.length).toBe(parents(host).length);
  for (const descriptor of [...descriptors, ...(host.tethers === undefined ? [] : [host.tethers])]) {
    const flags = /flags:\s+([0-7]+)/.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1] ?? "0";
    expect(Number.parseInt(flags, 8) & 0o2000000).toBe(0o2000000);
  }
  job.closeDescriptors();
  for (const descriptor of descriptors) expect(existsSync(`/proc/self/fd/${descriptor}`)).toBe(false);
  await job.remove();
});

test("an id is found again by another host of the same name, with what is held", async () => {
  const name = freshName();
  const first = await open({ name });
  const job = await first.create("again", { ...DEFAULT_LIMITS, pids: 7 });
  const second = await open({ name });
  expect(await second.list()).toEqual(["again"]);
  const found = await second.open("again");
  expect(found?.enforced).toEqual(job.enforced);
  expect(await second.open("never")).toBeUndefined();
  await first.close(); // with a job in it, its directories stay
  expect(await second.list()).toEqual(["again"]);
  await found?.remove();
  expect(await second.list()).toEqual([]);
});

test("a limit that was lifted behind our back is reported as not held", async () => {
  const host = await open();
  await host.create("lifted", DEFAULT_LIMITS);
  const { pids } = host.facts.holders;
  if (pids.by === "none") throw new Error(pids.why);
  await Bun.write(`${pids.parent}/lifted/pids.max`, "max");
  const found = await host.open("lifted");
  expect(found?.enforced.pids).toEqual({ by: "none", why: expect.stringContaining("pids.max") });
  await found?.remove();
});

test("two hosts with different names do not see or touch each other's jobs", async () => {
  const [left, right] = [await open(), await open()];
  const job = await left.create("mine", DEFAULT_LIMITS);
  expect(await right.list()).toEqual([]);
  expect(await right.open("mine")).toBeUndefined();
  const { ended } = startInside(job, "exec sleep 60");
  await until("sleep is inside", 10, () => job.procs().length === 1);
  await right.close();
  expect(job.procs().length).toBe(1);
  expect(await left.list()).toEqual(["mine"]);
  await finish(job);
  await ended;
});

test("a place that holds somebody else's processes is refused and left alone", async () => {
  const probe = await open();
  const [parent] = parents(probe);
  const name = freshName();
  const foreign = join(parent!, "..", ...(probe.tethers === undefined ? [] : [".."]), name);
  mkdirSync(foreign);
  const sleeper = Bun.spawn(["sh", "-c", `echo 0 > ${foreign}/cgroup.procs; exec sleep 60`]);
  try {
    await until("sleep is there", 10, () => readFileSync(`${foreign}/cgroup.procs`, "utf8") !== "");
    const error = await refusal(openCgroupHost({ name }));
    expect(error?.code).toBe("FAILED_PRECONDITION");
    expect(error?.fields.detail).toContain(name);
    expect(error?.fields.hint).toContain("--cgroup-parent");
    expect(readFileSync(`${foreign}/cgroup.procs`, "utf8").trim()).toBe(String(sleeper.pid));
  } finally {
    sleeper.kill();
    await sleeper.exited;
    rmdirSync(foreign);
  }
});

test("below a parent of one's own choice, which is made and taken away again", async () => {
  const parent = freshName();
  const host = await open({ parent: `/${parent}/inner`, name: "tele" });
  for (const path of parents(host)) expect(path).toContain(`/${parent}/inner/tele`);
  const job = await host.create("below", DEFAULT_LIMITS);
  expect(job.enforced).toEqual(host.enforced(DEFAULT_LIMITS));
  await job.remove();
  await host.close();
  for (const path of parents(host)) {
    const above = path.slice(0, path.indexOf(parent) + parent.length);
    expect(existsSync(above)).toBe(false);
  }
});

test.each([
  [{ name: "../escape" }, "name"],
  [{ name: "" }, "name"],
  [{ parent: "../.." }, "path"],
  [{ parent: "/" }, "path"],
  [{ parent: "a/./b" }, "path"],
  [{ parent: "a\0b" }, "path"],
])("options %p are refused with the way out", async (options, word) => {
  const error = await refusal(openCgroupHost(options));
  expect(error?.code).toBe("INVALID_ARGUMENT");
  expect(error?.fields.detail).toContain(word);
  expect(error?.fields.hint).toBeString();
});

test("an id that is no name is refused before anything is made", async () => {
  const host = await open();
  for (const id of ["", "..", "a/b", "A", "a".repeat(64)]) {
    expect((await refusal(host.create(id, DEFAULT_LIMITS)))?.code).toBe("INVALID_ARGUMENT");
  }
  expect(await host.list()).toEqual([]);
});

test("a value that the kernel refuses becomes a limit held by none, and the others hold", async () => {
  const host = await open();
  const job = await host.create("refused", { ...DEFAULT_LIMITS, pids: -5 });
  expect(job.enforced.pids).toEqual({ by: "none", why: "pids.max: EINVAL" });
  expect(job.enforced.cpus).toEqual(host.enforced(DEFAULT_LIMITS).cpus);
  await job.remove();
});

test("cgroups that the job made below its own go with it, deepest first", async () => {
  const host = await open();
  const job = await host.create("nested", DEFAULT_LIMITS);
  for (const parent of parents(host)) mkdirSync(join(parent, "nested/a/b"), { recursive: true });
  await job.remove();
  expect(await host.list()).toEqual([]);
});

test("an empty directory left by a crash does not hinder the next job of that id, a populated one does", async () => {
  const host = await open();
  await host.create("left", DEFAULT_LIMITS);
  const job = await host.create("left", DEFAULT_LIMITS);
  const { ended } = startInside(job, "exec sleep 60");
  await until("sleep is inside", 10, () => job.procs().length === 1);
  const error = await refusal(host.create("left", DEFAULT_LIMITS));
  expect(error?.fields.detail).toContain("processes live on");
  expect(job.procs().length).toBe(1);
  await finish(job);
  await ended;
});

test("an ordinary user without delegation opens it too, and is told why nothing is held", () => {
  const run = spawnSync(process.execPath, [join(import.meta.dirname, "cgroup-probe.ts"), "{}"], {
    uid: 65534,
    gid: 65534,
    env: { BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", HOME: "/nonexistent", PATH: process.env["PATH"] ?? "" },
  });
  const answer = JSON.parse(run.stdout.toString()) as { enforced: Record<string, { by: string; why?: string }> };
  for (const limit of Object.values(answer.enforced)) expect(limit).toEqual({ by: "none", why: expect.any(String) });
  expect(answer.enforced["memory"]?.why).toMatch(/^cannot make .*: EACCES$/);
});
