/** After a restart: what is held is read back from the files, for nobody remembers which writes were refused. */
import type { EnforcedBy } from "#spec/job.ts";
import type { CgroupEnforced, CgroupFacts, CgroupLimit } from "./facts.ts";
import type { Controller } from "./hierarchies.ts";
import { readKernelFile } from "./kernel-file.ts";
import { planLimits } from "./plan.ts";

const HOLDER: Readonly<Record<CgroupLimit, Controller>> = {
  cpus: "cpu",
  memory: "memory",
  memoryHigh: "memory",
  swap: "memory",
  pids: "pids",
  io: "io",
};

/** Where v1 counts a limit as absent: the largest multiple of the page size that a signed 64-bit number holds. */
const V1_UNLIMITED = 2 ** 62;

/** What is held in the directories of this job. */
export function readEnforced(facts: CgroupFacts, id: string): CgroupEnforced {
  const any = { cpus: 1, memory: 0, memoryHigh: 0, swap: 0, pids: 1, io: { rbps: 1, wbps: 1, riops: 1, wiops: 1 } };
  const { writes, enforced } = planLimits(facts, any);
  const check = (limit: CgroupLimit): EnforcedBy => {
    const holder = facts.holders[HOLDER[limit]];
    const planned = enforced[limit];
    if (holder.by === "none" || planned.by === "none") return planned;
    const files = new Set(
      writes.flatMap((write) => (write.limit === limit && write.tolerate !== "any" ? write.file : [])),
    );
    for (const file of files) {
      if (!limits(readKernelFile(`${holder.parent}/${id}/${file}`)))
        return { by: "none", why: `${file} holds no limit` };
    }
    return planned;
  };
  return {
    cpus: check("cpus"),
    memory: check("memory"),
    memoryHigh: check("memoryHigh"),
    swap: check("swap"),
    pids: check("pids"),
    io: check("io"),
  };
}

function limits(text: string | undefined): boolean {
  const value = text?.trim() ?? "";
  if (value === "" || value.startsWith("max") || value === "-1") return false;
  return !(Number(value) >= V1_UNLIMITED);
}
