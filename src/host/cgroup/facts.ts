/** What this host can hold with cgroups: a plain record that the planner reads. */
import type { Enforced, Usage } from "#spec/job.ts";
import type { Limits } from "#spec/limits.ts";
import type { BlockDevice } from "../block-devices.ts";
import type { Controller, Hierarchies } from "./hierarchies.ts";

/** Who has a controller: `parent` is the directory in which the jobs' own directories are made. */
export type Holder =
  | { readonly by: "cgroup2" | "cgroup1"; readonly parent: string }
  | { readonly by: "none"; readonly why: string };

/** Facts about cgroups, read when the host was opened. */
export interface CgroupFacts {
  readonly layout: Hierarchies["layout"];
  readonly holders: Readonly<Record<Controller, Holder>>;
  /** v2 directory of the leaf where tethers live: no limits, beside the jobs. */
  readonly tethers?: string;
  /** Whether the memory controller's holder has a file for swap; not so without swap accounting. */
  readonly swapAccounting: boolean;
  /** Whether the host has any swap now. */
  readonly hostSwap: boolean;
  readonly devices: readonly BlockDevice[];
}

/** The limits that a cgroup can hold. */
export const CGROUP_LIMITS = ["cpus", "memory", "memoryHigh", "swap", "pids", "io"] as const;
export type CgroupLimit = (typeof CGROUP_LIMITS)[number];
export type CgroupLimits = Pick<Limits, CgroupLimit>;
/** Those of them that somebody asked for; what is left out is not held to anything. */
export type AskedLimits = {
  readonly [Name in CgroupLimit]?: (Name extends "io" ? AskedRates : CgroupLimits[Name]) | undefined;
};
type AskedRates = { readonly [Rate in keyof CgroupLimits["io"]]?: number | undefined };
export type CgroupEnforced = Pick<Enforced, CgroupLimit>;

/** Use of resources as the kernel counts it for one cgroup; absent where nothing measures it. */
export type CgroupUsage = Omit<Usage, "wallUs" | "outputBytes">;

/** The directories in which jobs' directories are made, each once: co-mounted controllers share one. */
export function jobParents(facts: CgroupFacts): { readonly by: "cgroup2" | "cgroup1"; readonly parent: string }[] {
  const parents = new Map<string, "cgroup2" | "cgroup1">();
  for (const holder of Object.values(facts.holders)) if (holder.by !== "none") parents.set(holder.parent, holder.by);
  return [...parents].map(([parent, by]) => ({ by, parent }));
}
