/** What `tele doctor` says: findings, in groups. */
import { isPrivileged } from "../facts.ts";
import type { Look } from "../look.ts";
import type { Refusal } from "../userns.ts";

/** The groups, in the order in which they are shown. */
export const GROUPS = ["Kernel", "Isolation", "Limits", "Files", "Network", "Machines", "Certificates"] as const;
export type Group = (typeof GROUPS)[number];

export interface Finding {
  readonly group: Group;
  /** Unique and stable: programs look for it. */
  readonly name: string;
  /** `failure` keeps jobs of this user from starting; `warning` takes something from them. */
  readonly level: "ok" | "warning" | "failure";
  /** What was found. */
  readonly found: string;
  /** What a job loses, where the level is not `ok`. */
  readonly cost?: string;
  /** A command or a change that mends it, where the level is not `ok`. */
  readonly remedy?: string;
}

/** A host and this process on it; a test makes one of texts. */
export interface Host extends Look {
  /** Effective user id. */
  readonly uid: number;
  /** Landlock's ABI, 0 for none. */
  readonly landlock: number;
  /** What the kernel said to an attempt at a user namespace; undefined where it worked. */
  readonly refusal: Refusal | undefined;
}

/** Whether tethers have the host's privileges here; otherwise they are an ordinary user's, whoever that is. */
export function isHostRoot(look: Look): boolean {
  return isPrivileged(look.text("/proc/self/status"), look.link("/proc/self/ns/user"));
}

/** Something that is as it should be. */
export function well(group: Group, name: string, found: string): Finding {
  return { group, name, level: "ok", found };
}

/** Something that costs a job its start, or a part of what it asks for. */
export function lack(
  level: "warning" | "failure",
  group: Group,
  name: string,
  { found, cost, remedy }: { readonly found: string; readonly cost: string; readonly remedy: string },
): Finding {
  return { group, name, level, found, cost, remedy };
}
