/** The programs of `floor/` that make a sandbox, with the filters of ours compiled in. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Architecture, hostArchitecture } from "#ffi/syscalls.ts";
import { compile as compileFilter } from "#program/seccomp/compile.ts";
import type { Filter } from "#program/seccomp/filter.ts";
import { filterFor } from "#program/seccomp/policy-filter.ts";
import { TETHER_FILTER } from "#program/seccomp/tether.ts";
import { policyOf } from "#spec/policy.ts";
import { bare, compile } from "./responder.ts";

/** Compiles the floor into a folder. */
export function compileFloor(folder: string): { readonly floor: string; readonly tether: string } {
  const workload = filterFor(policyOf({ security: {} }));
  if (!workload) throw new Error("the default profile has a filter");
  const architecture = hostArchitecture();
  const text = array("tether_filter", TETHER_FILTER, architecture) + array("default_filter", workload, architecture);
  writeFileSync(join(folder, "filters.h"), text);
  const include = `-I${folder}`;
  return { floor: compile(folder, "floor", include), tether: compile(folder, "tether", include, ...bare) };
}

function array(name: string, filter: Filter, architecture: Architecture): string {
  return `static const _Alignas(8) unsigned char ${name}[] = {${compileFilter(filter, architecture).join(",")}};\n`;
}
