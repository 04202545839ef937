/** Resource limits that nobody here may give: only who has CAP_SYS_RESOURCE over the host raises a hard one (getrlimit(2)). */
import { readFileSync } from "node:fs";
import type { Fault } from "#errors";
import { CAPABILITIES } from "#spec/capabilities.ts";
import type { Ceiling } from "#spec/ceiling.ts";
import type { Facts } from "#spec/facts.ts";
import type { JobSpec } from "#spec/schema.ts";
import type { UlimitName } from "#spec/security-names.ts";

interface UlimitHost {
  readonly facts: Pick<Facts, "privileged" | "nofileHard"> & Partial<Pick<Facts, "held">>;
  readonly ceiling: Ceiling;
}

const CAP_SYS_RESOURCE = CAPABILITIES.indexOf("SYS_RESOURCE");

/** The lines of /proc/pid/limits. */
const LIMITS_LINE: Readonly<Record<UlimitName, string>> = {
  as: "Max address space",
  core: "Max core file size",
  cpu: "Max cpu time",
  data: "Max data size",
  fsize: "Max file size",
  locks: "Max file locks",
  memlock: "Max locked memory",
  msgqueue: "Max msgqueue size",
  nice: "Max nice priority",
  nofile: "Max open files",
  nproc: "Max processes",
  rss: "Max resident set",
  rtprio: "Max realtime priority",
  rttime: "Max realtime timeout",
  sigpending: "Max pending signals",
  stack: "Max stack size",
};

/** Those that are above what may be given here. */
export function ulimitFaults({ ulimits }: Pick<JobSpec, "ulimits">, { facts, ceiling }: UlimitHost): Fault[] {
  const asked = Object.entries(ulimits) as [UlimitName, { soft: number; hard: number }][];
  if (asked.length === 0) return [];
  const { privileged, held = [CAP_SYS_RESOURCE] } = facts;
  // Root of a container may lack it.
  const own = privileged && held.includes(CAP_SYS_RESOURCE) ? "" : readFileSync("/proc/self/limits", "utf8");
  return asked.flatMap(([name, { hard }]): Fault[] => {
    let most = hardLimit(own, name);
    let whose = "the hard limit of who starts the job";
    if (name === "nofile") {
      // No process may have more open files than fs.nr_open says, root's neither (getrlimit(2)).
      most = Math.min(most, facts.nofileHard);
      if (ceiling.nofile !== undefined && ceiling.nofile < most)
        [most, whose] = [ceiling.nofile, "this server's ceiling"];
    }
    if ((hard === -1 ? Number.POSITIVE_INFINITY : hard) <= most) return [];
    return [{ pointer: `/ulimits/${name}`, detail: `must be at most ${most}, ${whose}` }];
  });
}

/** The hard limit in a text of /proc/pid/limits; infinite where it says so or says nothing. */
function hardLimit(limits: string, name: UlimitName): number {
  const line = limits.split("\n").find((one) => one.startsWith(LIMITS_LINE[name]));
  const hard = line?.slice(LIMITS_LINE[name].length).trim().split(/\s+/)[1];
  return hard === undefined || hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard);
}
