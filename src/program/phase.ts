/** A phase turns what is wanted and what the host has into a few steps. */
import type { Limits } from "#spec/limits.ts";
import type { Policy } from "#spec/policy.ts";
import type { JobSpec } from "#spec/schema.ts";
import type { Facts, Identity, IdMaps } from "#spec/facts.ts";
import type { Step } from "./step.ts";

/** Everything a program is made from. */
export interface PlanInput {
  readonly spec: JobSpec;
  readonly policy: Policy;
  readonly limits: Limits;
  readonly identity: Identity;
  readonly facts: Facts;
  /** The ids of its user namespace, where it has its own: as its tether sees them outside. */
  readonly ids?: IdMaps;
  /** Every call of the workload is to be told, and allowed. */
  readonly learn?: boolean;
  /** Sources of its bind mounts that are no directories. */
  readonly files?: readonly string[];
  /** Who keeps the sandbox: a daemon, which may come and go, or the process that launched it and dies with it. */
  readonly keeper: "daemon" | "parent";
}

export type Phase = (input: PlanInput) => readonly Step[];
