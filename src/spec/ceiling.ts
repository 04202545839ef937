/** The most that a server's owner lets a job ask for. */
import type { Fault } from "#errors";
import { parseSize } from "./quantity.ts";
import { effectiveLimits } from "./limits.ts";
import type { JobSpec } from "./schema.ts";

/** Limits that can have a ceiling; the disk's rates by their own names. */
const NAMES = [
  "cpus",
  "memory",
  "memoryHigh",
  "swap",
  "pids",
  "nofile",
  "output",
  "rbps",
  "wbps",
  "riops",
  "wiops",
] as const;
type Name = (typeof NAMES)[number];

/** Ceilings by name; bytes, counts, CPUs. */
export type Ceiling = Readonly<Partial<Record<Name, number>>>;

/** Reads `memory=4Gi,cpus=2`; the text of the fault where it is none. */
export function parseCeiling(text: string): Ceiling | string {
  const ceiling: Partial<Record<Name, number>> = {};
  for (const part of text.split(",")) {
    const [name = "", value = ""] = part.split("=");
    const known = NAMES.find((candidate) => candidate === name || candidate.toLowerCase() === name.replace("-", ""));
    if (!known) return `${name || part}: there is no such limit; there are ${NAMES.join(", ")}`;
    const number = known === "cpus" ? Number(value) : parseSize(value);
    if (value === "" || number === undefined || !(number > 0)) return `${part}: not an amount`;
    ceiling[known] = number;
  }
  return ceiling;
}

/** What was asked for beyond the ceiling. */
export function ceilingFaults(asked: JobSpec["limits"], ceiling: Ceiling): Fault[] {
  return NAMES.flatMap((name): Fault[] => {
    const value = isRate(name) ? asked.io?.[name] : asked[name];
    const most = ceiling[name];
    if (value === undefined || most === undefined || value <= most) return [];
    return [
      {
        pointer: isRate(name) ? `/limits/io/${name}` : `/limits/${name}`,
        detail: `must be at most ${most}, this server's ceiling`,
      },
    ];
  });
}

/** What was asked for, and the ceiling itself where a default would be above it. */
export function underCeiling(asked: JobSpec["limits"], ceiling: Ceiling): JobSpec["limits"] {
  const limits = effectiveLimits(asked);
  const lowered = NAMES.filter(
    (name) => (isRate(name) ? limits.io[name] : limits[name]) > (ceiling[name] ?? Number.POSITIVE_INFINITY),
  );
  if (lowered.length === 0) return asked;
  const part = (rates: boolean) =>
    Object.fromEntries(lowered.filter((name) => isRate(name) === rates).map((name) => [name, ceiling[name]]));
  return { ...asked, ...part(false), io: { ...asked.io, ...part(true) } };
}

function isRate(name: Name): name is "rbps" | "wbps" | "riops" | "wiops" {
  return name === "rbps" || name === "wbps" || name === "riops" || name === "wiops";
}
