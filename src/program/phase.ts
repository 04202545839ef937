/** A phase turns what is wanted and what the host has into a few steps. */
import type { Limits } from "#spec/limits.ts";
import type { JobSpec } from "#spec/schema.ts";
import type { Facts, Identity } from "#spec/facts.ts";
import type { Step } from "./step.ts";

/** Everything a program is made from. */
export interface PlanInput {
  readonly spec: JobSpec;
  readonly limits: Limits;
  readonly identity: Identity;
  readonly facts: Facts;
}

export type Phase = (input: PlanInput) => readonly Step[];
