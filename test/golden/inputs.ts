/** What the golden programs are made from: one input a file in this folder. */
import type { PlanInput } from "#program/phase.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";

/** A whole input: a spec over defaults, and what the host and the user database would say. */
export function input(
  spec: JobSpecInput,
  facts: Partial<PlanInput["facts"]> = {},
  identity: Partial<PlanInput["identity"]> = {},
): PlanInput {
  const parsed = JobSpecSchema.parse(spec);
  return {
    spec: parsed,
    limits: effectiveLimits(parsed.limits),
    identity: { uid: 0, gid: 0, groups: [], home: "/root", ...identity },
    facts: {
      ignoredSignals: [],
      lastCapability: 40,
      nofileHard: 524_288,
      hide: [],
      cgroup: { v2: false, v1: 0 },
      ...facts,
    },
  };
}

const command = ["/bin/true"];

/** By the name of the file that holds the program. */
export const INPUTS: Readonly<Record<string, PlanInput>> = {
  "defaults-without-cgroup": input({ command }),
  "defaults-on-cgroup-v2": input({ command }, { cgroup: { v2: true, v1: 0 } }),
  "defaults-on-cgroup-v1": input({ command }, { cgroup: { v2: false, v1: 4 } }),
  "defaults-on-hybrid-cgroups": input({ command }, { cgroup: { v2: true, v1: 3 } }),
  "command-looked-for-in-path": input({ command: ["sh", "-c", "exit 3"] }, { ignoredSignals: [13, 25] }),
  "everything-asked-for": input(
    {
      command: ["make", "-j2", 'with "quotes" and\nlines', "ünïcode", ""],
      env: { PATH: "/opt/tools/bin::/bin", HOME: "/srv/data", LANG: "C.UTF-8", EMPTY: "" },
      workdir: "/srv/data",
      user: "build",
      hostname: "build-7",
      labels: { "team/name": "core" },
      timeout: "30s",
      limits: { nofile: 4096, memory: "1Gi", cpus: 2 },
      require: ["memory"],
    },
    {
      ignoredSignals: [1, 13, 25, 32, 40, 64],
      lastCapability: 37,
      nofileHard: 2048,
      hide: ["/etc/tele", "/var/lib/tele", "/tmp/tele-state"],
      cgroup: { v2: true, v1: 0 },
    },
    { uid: 1000, gid: 1000, groups: [4, 27, 1000], home: "/home/user" },
  ),
};
