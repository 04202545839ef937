/** A system call filter from a file, for `--seccomp`. */
import { readFileSync } from "node:fs";
import type { Fault } from "#errors";
import type { OciSeccomp } from "#spec/oci-seccomp.ts";

/** So many faults of one file are told; a file of another form has one in each line. */
const MOST_FAULTS = 10;
/** What only docker's own profiles have, which are not what a runtime gets but what docker makes that from. */
const DOCKERS = ["archMap", "includes", "excludes", "minKernel"];

type Read = { readonly filter: "unconfined" | OciSeccomp } | { readonly faults: readonly Fault[] };

/** The filter of a file (`linux.seccomp` of a whole OCI config.json too), or what is wrong with it, by JSON pointers. */
export async function readSeccomp(file: string): Promise<Read> {
  if (file === "unconfined") return { filter: file };
  const fault = (detail: string): Read => ({ faults: [{ pointer: `--seccomp ${file}`, detail }] });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return fault(`is not JSON: ${error.message.replace(/^JSON Parse error: /, "")}`);
    const errno = (error as NodeJS.ErrnoException).code ?? String(error);
    return fault(`cannot be read (${errno}); name a file in OCI form, or: --seccomp unconfined`);
  }
  const [{ OciSeccompSchema }, { faultsOf }] = await Promise.all([
    import("#spec/oci-seccomp.ts"),
    import("#api/problem.ts"),
  ]);
  const filter = within(value);
  const parsed = OciSeccompSchema.safeParse(filter, { reportInput: true });
  if (parsed.success) return { filter: parsed.data };
  const found = faultsOf(parsed.error, OciSeccompSchema);
  if (found.some(({ pointer }) => DOCKERS.includes(pointer.slice(pointer.lastIndexOf("/") + 1))))
    return fault(
      "is in docker's own form, with conditions on capabilities and kernels; give one in the form of the OCI runtime specification",
    );
  const told = found
    .slice(0, MOST_FAULTS)
    .map(({ pointer, detail }) => ({ pointer: `--seccomp ${file} at ${pointer || "its top"}`, detail }));
  const more = found.length - told.length;
  return { faults: more === 0 ? told : [...told, { pointer: `--seccomp ${file}`, detail: `has ${more} more faults` }] };
}

function within(value: unknown): unknown {
  const linux = (value as { linux?: { seccomp?: unknown } } | null)?.linux;
  return linux?.seccomp ?? value;
}
