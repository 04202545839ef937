/** What only a host with nothing but cgroup v2 can show: delegation as systemd does it, and the end of a whole job. */
import { afterEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CgroupEnforced, CgroupFacts } from "#host/cgroup/facts.ts";
import { openCgroupHost } from "#host/cgroup/host.ts";
import { DEFAULT_LIMITS } from "#spec/limits.ts";
import { finish, startInside, until } from "#test/integration/cgroup-job.ts";
import { need } from "#test/support/needs.ts";

need("root", "cgroup");

const ROOT = "/sys/fs/cgroup";
const SLICE = join(ROOT, "system.slice");
const MiB = 2 ** 20;
const NOBODY = 65534;

interface Probe {
  before: string;
  during: string;
  after: string;
  facts: CgroupFacts;
  enforced: CgroupEnforced;
  ids: string[];
}

const made: string[] = [];
function make(directory: string, controllers?: string): string {
  mkdirSync(directory);
  made.push(directory);
  if (controllers !== undefined) writeFileSync(join(directory, "cgroup.subtree_control"), controllers);
  return directory;
}
const unit = (controllers = "+cpu +memory +io +pids"): string => {
  make(SLICE, controllers);
  return make(join(SLICE, "tele.service"));
};
const cgroupsIn = (directory: string): string[] =>
  readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []));

afterEach(() => {
  for (const directory of made.splice(0).reverse()) rmdirSync(directory); // fails when anything was left in it
  expect(existsSync(join(ROOT, "tele"))).toBe(false);
});

/** Runs the probe as the only process of a cgroup, as systemd starts a service. */
async function probeIn(cgroup: string, prefix = "", company = ""): Promise<Probe> {
  const script = join(import.meta.dirname, "../integration/cgroup-probe.ts");
  const line = `echo 0 > ${cgroup}/cgroup.procs && ${company} exec ${prefix} ${process.execPath} ${script} '{}'`;
  const child = spawn("sh", ["-c", line], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" },
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await once(child, "close");
  return JSON.parse(text) as Probe;
}

const everythingHeld = (enforced: CgroupEnforced): void => {
  for (const limit of Object.values(enforced)) expect(limit).toEqual({ by: "cgroup2" });
};

test("in a delegated unit the daemon moves to a leaf, the jobs live beside it, and closing undoes both", async () => {
  const service = unit();
  const probe = await probeIn(service);
  expect(probe.before).toBe("0::/system.slice/tele.service\n");
  expect(probe.during).toBe("0::/system.slice/tele.service/daemon\n");
  expect(probe.after).toBe(probe.before);
  expect(probe.facts.layout).toBe("v2");
  expect(probe.facts.holders.memory).toEqual({ by: "cgroup2", parent: `${service}/jobs` });
  expect(probe.facts.tethers).toBe(`${service}/tethers`);
  expect(probe.ids).toEqual(["probe"]);
  everythingHeld(probe.enforced);
  expect(cgroupsIn(service)).toEqual([]);
  expect(readFileSync(`${service}/cgroup.subtree_control`, "utf8").trim()).toBe("");
});

test("started in the leaf that DelegateSubgroup=daemon makes, the unit is the base and the daemon stays put", async () => {
  const service = unit();
  const probe = await probeIn(make(join(service, "daemon")));
  expect(probe.during).toBe("0::/system.slice/tele.service/daemon\n");
  expect(probe.facts.holders.pids).toEqual({ by: "cgroup2", parent: `${service}/jobs` });
  everythingHeld(probe.enforced);
  expect(cgroupsIn(service)).toEqual(["daemon"]);
});

test("an ordinary user to whom a unit is delegated gets the same", async () => {
  const service = unit();
  for (const file of ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"]) {
    chownSync(join(service, file), NOBODY, NOBODY);
  }
  const probe = await probeIn(service, `setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups`);
  expect(probe.during).toBe("0::/system.slice/tele.service/daemon\n");
  everythingHeld(probe.enforced);
  expect(cgroupsIn(service)).toEqual([]);
});

test("controllers that were not delegated are named, the others hold", async () => {
  const service = unit("+memory +pids");
  const { enforced } = await probeIn(service);
  expect(enforced.memory).toEqual({ by: "cgroup2" });
  expect(enforced.pids).toEqual({ by: "cgroup2" });
  for (const limit of [enforced.cpus, enforced.io]) {
    expect(limit).toEqual({ by: "none", why: expect.stringContaining(`not delegated to ${service}`) });
  }
});

test("with company in its cgroup the daemon leaves it alone and lives at the root", async () => {
  const service = unit();
  const probe = await probeIn(service, "", "sleep 1000 >/dev/null 2>&1 &");
  expect(probe.during).toBe(probe.before);
  expect(probe.facts.holders.cpu).toEqual({ by: "cgroup2", parent: join(ROOT, "tele/jobs") });
  everythingHeld(probe.enforced);
  for (const pid of readFileSync(`${service}/cgroup.procs`, "utf8").trim().split("\n")) process.kill(Number(pid));
  await until("the company is gone", 20, () => readFileSync(`${service}/cgroup.procs`, "utf8") === "");
});

test("a parent that holds processes itself cannot divide: every limit says so", async () => {
  const busy = make(join(ROOT, "busy.slice"));
  const sleeper = spawn("sh", ["-c", `echo 0 > ${busy}/cgroup.procs; exec sleep 1000`], { stdio: "ignore" });
  await until("sleep is there", 20, () => readFileSync(`${busy}/cgroup.procs`, "utf8") !== "");
  const host = await openCgroupHost({ parent: "busy.slice" });
  for (const limit of Object.values(host.enforced(DEFAULT_LIMITS))) {
    expect(limit).toEqual({
      by: "none",
      why: expect.stringMatching(/busy\.slice\/cgroup\.subtree_control: it holds processes/),
    });
  }
  expect(host.tethers).toBeUndefined();
  const job = await host.create("free", DEFAULT_LIMITS);
  expect(job.tasks).toEqual([]);
  expect(job.directory).toBeUndefined();
  expect(job.usage()).toEqual({});
  await job.remove();
  await host.close();
  expect(cgroupsIn(busy)).toEqual([]);
  expect(readFileSync(`${busy}/cgroup.type`, "utf8").trim()).toBe("domain");
  sleeper.kill("SIGKILL");
  await once(sleeper, "close");
});

test("out of memory ends the whole job, not one process of it", async () => {
  const host = await openCgroupHost({ name: "tele-oom" });
  const job = await host.create("oom", { ...DEFAULT_LIMITS, cpus: 2, memory: 32 * MiB, memoryHigh: 32 * MiB });
  const hungry = "dd if=/dev/zero of=/dev/null bs=128M count=1 & sleep 1000 & wait; wait; exit 7";
  const { signal } = await startInside(job, hungry).ended;
  expect(signal).toBe("SIGKILL");
  await until("nobody is left", 20, () => job.procs().length === 0);
  expect(job.oomKilled()).toBe(true);
  await finish(job);
  await host.close();
});
