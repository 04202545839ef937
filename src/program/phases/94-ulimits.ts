/**
 * The resource limits that a job asks for (getrlimit(2)). Only who has CAP_SYS_RESOURCE over the host may raise a hard
 * limit, and a workload in a user namespace of its own has not: its tether lifts them while it still can. The workload
 * sets them last of all, so that they are the program's and no step of ours has to live with them.
 */
import { RLIMIT, rlimit } from "#ffi/abi/resource.ts";
import type { Ulimits, UlimitName } from "#spec/ulimits.ts";
import type { Phase } from "../phase.ts";
import { type Step, step } from "../step.ts";

/** The namespace's second process. */
const WORKLOAD = 2;

const RESOURCES: Readonly<Record<UlimitName, number>> = {
  as: RLIMIT.AS,
  core: RLIMIT.CORE,
  cpu: RLIMIT.CPU,
  data: RLIMIT.DATA,
  fsize: RLIMIT.FSIZE,
  locks: RLIMIT.LOCKS,
  memlock: RLIMIT.MEMLOCK,
  msgqueue: RLIMIT.MSGQUEUE,
  nice: RLIMIT.NICE,
  nofile: RLIMIT.NOFILE,
  nproc: RLIMIT.NPROC,
  rss: RLIMIT.RSS,
  rtprio: RLIMIT.RTPRIO,
  rttime: RLIMIT.RTTIME,
  sigpending: RLIMIT.SIGPENDING,
  stack: RLIMIT.STACK,
};

/** The tether's part, before the workload goes on. Open files have their hard limit already (`limits.nofile`). */
export const lift: Phase = ({ spec, facts }) =>
  facts.privileged
    ? asked(spec.ulimits).flatMap(([name]): Step[] =>
        name === "nofile"
          ? []
          : [
              // Without CAP_SYS_RESOURCE what is there may still be enough.
              step(`ulimits.lift-${name}`, "prlimit64", [WORKLOAD, RESOURCES[name], rlimit(-1, -1), 0], {
                tolerate: ["EPERM"],
              }),
            ],
      )
    : [];

/** The workload's part, once the tether has done its own. */
export const ulimits: Phase = ({ spec }) =>
  asked(spec.ulimits).map(
    ([name, { soft, hard }]): Step => step(`ulimits.${name}`, "prlimit64", [0, RESOURCES[name], rlimit(soft, hard), 0]),
  );

function asked(all: Ulimits): [UlimitName, NonNullable<Ulimits[UlimitName]>][] {
  return Object.entries(all) as [UlimitName, NonNullable<Ulimits[UlimitName]>][];
}
