/** Which filter a policy asks for. */
import type { Policy } from "#spec/policy.ts";
import type { Filter } from "./filter.ts";
import { fromOci } from "./oci.ts";
import { profileFilter } from "./profiles.ts";

/** The workload's filter, the same object for the same need, so that it is compiled once; undefined for none. */
export function filterFor({ seccomp, capabilities }: Pick<Policy, "seccomp" | "capabilities">): Filter | undefined {
  if (seccomp === "unconfined") return undefined;
  return typeof seccomp === "string" ? profileFilter(seccomp, capabilities) : fromOci(seccomp);
}
