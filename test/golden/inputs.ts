/** What the golden programs are made from: one input a file in this folder. */
import type { PlanInput } from "#program/phase.ts";
import { type IdMapLine, mapsOf } from "#spec/facts.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { policyOf } from "#spec/policy.ts";
import { type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";

/** A whole input: a spec over defaults, and what the host and the user database would say. */
export function input(
  spec: JobSpecInput,
  facts: Partial<PlanInput["facts"]> = {},
  identity: Partial<PlanInput["identity"]> = {},
  more: Partial<Pick<PlanInput, "ids" | "keeper" | "files" | "learn">> = {},
): PlanInput {
  const parsed = JobSpecSchema.parse(spec);
  return {
    spec: parsed,
    policy: policyOf(parsed),
    limits: effectiveLimits(parsed.limits),
    identity: { uid: 0, gid: 0, groups: [], home: "/root", ...identity },
    facts: {
      ignoredSignals: [],
      lastCapability: 40,
      nofileHard: 524_288,
      hide: [],
      cgroup: { v2: false, v1: 0 },
      privileged: true,
      held: Array.from({ length: 41 }, (_, number) => number),
      landlock: 6,
      ...facts,
    },
    ids: mapsOf({ start: 1_000_000, count: 65_536 }),
    keeper: "daemon",
    ...more,
  };
}

const command = ["/bin/true"];

/** An ordinary user who may map one id, their own, and has no daemon. */
const ROOTLESS = { privileged: false } as const;
const ALONE = { ids: mapsOf({ start: 0, count: 1 }), keeper: "parent" } as const;
/** The same user with ids of /etc/subuid behind their own. */
const SUBORDINATE: IdMapLine[] = [
  { inside: 0, outside: 0, count: 1 },
  { inside: 1, outside: 1, count: 65_536 },
];
const BY_PARENT = { keeper: "parent" } as const;
const SOMEBODY = { uid: 1000, gid: 1000, groups: [4, 1000], home: "/home/user" } as const;

/** A file and directories of the host in a root that is empty otherwise. */
const BOUND: JobSpecInput = {
  command: ["/usr/bin/true"],
  root: { type: "empty" },
  mounts: [
    { type: "bind", source: "/usr", target: "/usr", readOnly: true },
    { type: "bind", source: "/lib", target: "/lib", readOnly: true },
    { type: "bind", source: "/lib64", target: "/lib64", readOnly: true },
    { type: "bind", source: "/srv/data", target: "/srv/data" },
    { type: "bind", source: "/etc/hosts", target: "/etc/hosts", readOnly: true },
    { type: "tmpfs", target: "/scratch", size: 1 << 20, mode: 0o1777 },
    { type: "bind", source: "/srv/data", target: "/scratch/deep/data", readOnly: true },
    { type: "proc", target: "/other/proc" },
    { type: "dev", target: "/other/dev" },
  ],
};
const BOUND_FILES = { files: ["/etc/hosts"] } as const;

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

  "kept-by-its-parent": input({ command }, {}, {}, BY_PARENT),
  "kept-by-its-parent-on-cgroup-v2": input({ command }, { cgroup: { v2: true, v1: 0 } }, {}, BY_PARENT),
  rootless: input({ command }, ROOTLESS, {}, ALONE),
  "rootless-with-subordinate-ids": input({ command }, ROOTLESS, SOMEBODY, {
    ids: { uids: SUBORDINATE, gids: SUBORDINATE },
    keeper: "parent",
  }),
  "rootless-in-an-empty-root": input(BOUND, ROOTLESS, {}, { ...ALONE, ...BOUND_FILES }),

  "profile-strict": input({ command, security: { profile: "strict" } }),
  "profile-dev": input({ command, security: { profile: "dev" } }),
  "profile-dev-rootless": input({ command, security: { profile: "dev" } }, ROOTLESS, {}, ALONE),
  "profile-host": input({ command, security: { profile: "host" } }, { cgroup: { v2: false, v1: 2 } }),
  "profile-host-kept-by-its-parent": input({ command, security: { profile: "host" } }, {}, {}, BY_PARENT),

  "empty-root-with-binds": input(BOUND, {}, {}, BOUND_FILES),
  "mounts-on-the-host-root": input(
    {
      command,
      mounts: [
        { type: "bind", source: "/srv/data", target: "/tmp/in/data" },
        { type: "bind", source: "/etc/hosts", target: "/run/hosts", readOnly: true },
        { type: "tmpfs", target: "/srv", mode: 0o700 },
        { type: "bind", source: "/srv/data", target: "/srv/back", readOnly: true },
      ],
    },
    { hide: ["/var/lib/tele"] },
    {},
    { files: ["/etc/hosts"], keeper: "parent" },
  ),
  "host-tree-without-owners": input({ command }, { unowned: ["/boot", "/srv/data"] }, {}, BY_PARENT),
  "landlock-paths": input({
    command,
    security: { read: ["/usr", "/lib", "/lib64", "/bin", "/etc/hosts"], write: ["/tmp"] },
  }),
  "landlock-with-privileges-to-gain": input(
    { command, security: { read: ["/"], noNewPrivileges: false } },
    { landlock: 1 },
    SOMEBODY,
    BY_PARENT,
  ),
  "clocks-of-its-own": input({ command, security: { clock: { monotonic: 86_400, boottime: -60 } } }),
  "capabilities-of-another-user": input(
    { command, user: "build", security: { capAdd: ["NET_BIND_SERVICE", "NET_RAW"], noNewPrivileges: false } },
    {},
    SOMEBODY,
  ),
  "everything-shared": input({ command, security: { share: ["net", "ipc", "uts", "cgroup"], newSession: false } }),
  "ids-of-the-host": input({ command, security: { userns: "host" } }, {}, SOMEBODY, BY_PARENT),
  "nothing-masked-no-filter": input({ command, security: { maskPaths: false, seccomp: "unconfined" } }),
  "a-filter-of-its-own": input({
    command,
    security: {
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["ptrace", "keyctl"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
      },
    },
  }),
  "denials-reported": input({ command, security: { reportDenied: true } }),
  learning: input({ command }, {}, {}, { learn: true, keeper: "parent" }),
  "limits-of-its-own": input(
    {
      command,
      clearEnv: true,
      env: { ONLY: "this" },
      ulimits: { core: { soft: 0, hard: 0 }, nproc: { soft: 64, hard: 128 }, stack: { soft: 1 << 20, hard: 1 << 23 } },
    },
    { cgroup: { v2: true, v1: 0 } },
  ),
};
