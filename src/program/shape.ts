/** What the tether's own part depends on: few of these exist on a host, and jobs of one shape share its steps. */
import type { Facts } from "#spec/facts.ts";
import type { PlanInput } from "./phase.ts";
import type { Step } from "./step.ts";

export interface Shape {
  readonly facts: Facts;
  readonly keeper: PlanInput["keeper"];
  /** Whether kernel files are masked and read-only. */
  readonly maskPaths: boolean;
  readonly root: PlanInput["spec"]["root"]["type"];
  /** Mounts of the host's tree that are shown without owners; undefined for none, the root's own included. */
  readonly unowned: Facts["unowned"];
}

export type ShapePhase = (shape: Shape) => readonly Step[];

/** The shape of one job. */
export function shapeOf({ facts, keeper, policy, spec }: PlanInput): Shape {
  const unowned = isUnowned({ facts, policy, spec }) ? facts.unowned : undefined;
  return { facts, keeper, maskPaths: policy.maskPaths, root: spec.root.type, unowned };
}

/** Whether the host's tree is shown without owners: then its `TETHER_FD.unowned` is needed. */
export function isUnowned({ facts, policy, spec }: Pick<PlanInput, "facts" | "policy" | "spec">): boolean {
  return facts.unowned !== undefined && policy.userns === "private" && spec.root.type === "host";
}

/** Names a shape among those of the same facts. */
export function shapeKey({ keeper, maskPaths, root, unowned }: Shape): string {
  return `${keeper} ${maskPaths} ${root} ${unowned !== undefined}`;
}
