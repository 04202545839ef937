/** Golden programs on this machine: the same steps over paths, limits and cgroups that are here, so that they can run. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { CLONE } from "#ffi/abi/clone.ts";
import { call } from "#ffi/call.ts";
import { readFacts } from "#host/facts.ts";
import { openUnowned } from "#host/unowned.ts";
import { fileSources } from "#host/mount-sources.ts";
import { plan } from "#program/compose.ts";
import type { PlanInput } from "#program/phase.ts";
import { isIdMapped } from "#program/phases/60-mounts.ts";
import { isSupervised } from "#program/phases/95-filter.ts";
import type { Program } from "#program/step.ts";
import type { IdMaps } from "#spec/facts.ts";
import type { Mount } from "#spec/mounts.ts";
import { until } from "#test/support/until.ts";
import type { Means } from "./start.ts";

/** A program that runs here, and everything that was made for it. */
export interface Ground {
  readonly program: Program;
  readonly means: Means;
  /** Processes in its cgroups. */
  members(): string[];
  /** Takes everything away; fails where something of a sandbox is still in it. */
  clear(): Promise<void>;
}

/** What every program prints here, so that a workload that began is seen. */
export const MARKER = "ran\n";
/** First host id of the jobs here, and of the subordinate ids of a rootless one. */
const IDS = 2 ** 31;

/** Makes an input's place on this machine and plans it there. */
export function ground(name: string, golden: PlanInput): Ground {
  // Not below /tmp, which is the job's own inside.
  const folder = mkdtempSync("/var/tmp/tele-sweep-");
  chmodSync(folder, 0o755);
  const paths = join(folder, "data");
  mkdirSync(paths, { mode: 0o755 });
  const file = join(folder, "file");
  writeFileSync(file, "a file\n");
  const cgroups = makeCgroups(`tele-sweep-${process.pid}-${name}`, golden.facts.cgroup);
  const input = rebased(golden, folder, cgroups);
  const program = plan(input);
  const means: Means = {
    namespaces: program.namespaces,
    record: join(folder, "record"),
    cgroup: cgroups.entries,
    bound: input.keeper === "parent",
    // Who keeps a sandbox from the foreground hands it its own output, and the command.
    ...(input.keeper === "parent" && { output: join(folder, "output"), passed: input.spec.command }),
    ...((program.namespaces & CLONE.NEWUSER) !== 0 && { ids: around(input.ids) }),
    ...(input.ids && input.spec.mounts.some((mount) => isIdMapped(input, mount)) && { mapped: input.ids }),
    supervised: isSupervised(input),
    unowned: input.facts.unowned !== undefined,
  };
  return {
    program,
    means,
    members: () =>
      cgroups.directories.flatMap((path) => readFileSync(join(path, "cgroup.procs"), "utf8").match(/\d+/g) ?? []),
    async clear() {
      for (const path of cgroups.directories) await until(`${path} is removed`, () => removed(path));
      rmSync(folder, { recursive: true });
    },
  };
}

function removed(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

function rebased(golden: PlanInput, folder: string, cgroups: Cgroups): PlanInput {
  const { spec, facts } = golden;
  const [name = "", ...words] = spec.command;
  const mounts = spec.mounts.map((mount): Mount => {
    if (mount.type !== "bind") return mount;
    // Links are followed when a spec is admitted, and by no program.
    if (existsSync(mount.source)) return { ...mount, source: realpathSync(mount.source) };
    return { ...mount, source: join(folder, golden.files?.includes(mount.source) ? "file" : "data") };
  });
  const here = readFacts([]);
  const command = name.includes("/") ? ["/usr/bin/printf", "ran\\n"] : [name, ...words];
  return {
    ...golden,
    spec: {
      ...spec,
      command,
      mounts,
      ...(!name.includes("/") && { env: { ...spec.env, PATH: searchPath(spec.env["PATH"], name, folder) } }),
      workdir: existsSync(spec.workdir) ? spec.workdir : join(folder, "data"),
    },
    files: fileSources(mounts),
    facts: {
      ...facts,
      lastCapability: Math.min(facts.lastCapability, here.lastCapability),
      held: here.held,
      ...(facts.unowned && { unowned: mountPoints() }),
      nofileHard: Math.min(facts.nofileHard, here.nofileHard),
      landlock: Math.min(facts.landlock, here.landlock),
      hide: facts.hide.map((_, index) => {
        const path = join(folder, `hide-${index}`);
        mkdirSync(path);
        return path;
      }),
      cgroup: cgroups.facts,
    },
    ...(golden.ids && { ids: facts.privileged ? moved(golden.ids) : golden.ids }),
  };
}

/** Where the host's tree has other mounts. Fails where its root's file system cannot be id-mapped. */
function mountPoints(): readonly string[] {
  const found = openUnowned();
  if (!found) throw new Error("the root's file system takes no id-mapped mount: run this on ext4, xfs or btrfs");
  call("close", found.namespace);
  return found.points;
}

/** As many directories as there were, the program in the last alone: so that every step of the search is made. */
function searchPath(path: string | undefined, name: string, folder: string): string {
  const count = new Set((path ?? "1:2:3:4:5:6").split(":")).size;
  const last = join(folder, "bin");
  mkdirSync(last);
  writeFileSync(join(last, name), "#!/bin/sh\necho ran\n", { mode: 0o755 });
  return [...Array.from({ length: count - 1 }, (_, index) => `/nowhere/${index}`), last].join(":");
}

/** Ids that nobody else's test has. */
function moved({ uids, gids }: IdMaps): IdMaps {
  const move = (lines: IdMaps["uids"]): IdMaps["uids"] =>
    lines.map((line) => ({ ...line, outside: IDS + line.inside }));
  return { uids: move(uids), gids: move(gids) };
}

/** The ids of the tether's own user namespace: ours for its root, others for all that the job has besides. */
function around(ids: IdMaps | undefined): IdMaps {
  const line = (lines: IdMaps["uids"] = []): IdMaps["uids"] =>
    lines.map(({ outside, count }) => ({ inside: outside, outside: outside === 0 ? 0 : IDS + outside, count }));
  return { uids: line(ids?.uids), gids: line(ids?.gids) };
}

interface Cgroups {
  readonly facts: PlanInput["facts"]["cgroup"];
  readonly directories: readonly string[];
  /** The v2 directory, then the v1 `tasks` files. */
  readonly entries: readonly string[];
}

/** As many of the wanted hierarchies as this machine has. */
function makeCgroups(name: string, wanted: PlanInput["facts"]["cgroup"]): Cgroups {
  const mounted = readFileSync("/proc/self/mountinfo", "utf8")
    .trimEnd()
    .split("\n")
    .flatMap((line) => {
      const [fields = "", rest = ""] = line.split(" - ");
      const [type = "", , options = ""] = rest.split(" ");
      return [{ type, options, point: fields.split(" ")[4] ?? "" }];
    });
  const v2 = mounted.filter(({ type }) => type === "cgroup2").slice(0, Number(wanted.v2));
  // A cpuset of v1 takes nobody in before it has CPUs and memory nodes (cpuset(7)).
  const v1 = mounted.filter(({ type, options }) => type === "cgroup" && !/cpuset/.test(options)).slice(0, wanted.v1);
  const make = ({ point }: { point: string }): string => {
    const path = join(point, name);
    mkdirSync(path);
    return path;
  };
  const [first, others] = [v2.map(make), v1.map(make)];
  return {
    facts: { v2: v2.length > 0, v1: v1.length },
    directories: [...first, ...others],
    entries: [...first, ...others.map((path) => join(path, "tasks"))],
  };
}
