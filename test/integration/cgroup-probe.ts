/** Run as a process of its own: opens the cgroup host with `argv[2]` as options, says what it found, and leaves again. */
import { readFileSync } from "node:fs";
import { openCgroupHost } from "#host/cgroup/host.ts";
import { DEFAULT_LIMITS } from "#spec/limits.ts";

const own = (): string => readFileSync("/proc/self/cgroup", "utf8");
const before = own();
const host = await openCgroupHost(JSON.parse(process.argv[2] ?? "{}"));
const during = own();
const { facts } = host;
const job = await host.create("probe", DEFAULT_LIMITS);
const { enforced } = job;
const ids = await host.list();
await job.remove();
await host.close();
console.log(JSON.stringify({ before, during, after: own(), facts, enforced, ids }));
