/** What is known when a job has ended: the tether's record, the kernel's figures, what was said of a stop. */
import { readFileSync } from "node:fs";
import type { JobCgroup } from "#host/cgroup/job.ts";
import { decodeRecord, type ExitRecord } from "#program/report.ts";
import type { Usage } from "#spec/job.ts";
import type { JobRecord } from "./store/record.ts";

/** What the next daemon must know of a stop that has begun: the record's `restart`. */
export interface StopNote {
  /** When KILL is due, milliseconds since the epoch. */
  readonly killAt: number;
  /** What happened, for the end record. */
  readonly message?: string;
}

/** What was said of a stop when it began. */
export function messageOf({ restart }: JobRecord): { message?: string } {
  const message = (restart as StopNote | undefined)?.message;
  return message === undefined ? {} : { message };
}

/** The exit record, where the tether has written it. */
export function readExit(path: string): ExitRecord | undefined {
  try {
    return decodeRecord(readFileSync(path));
  } catch {
    return undefined;
  }
}

/** The kernel's figures where a cgroup has them, the tether's own where not. */
export function finalUsage(
  cgroup: JobCgroup | undefined,
  exit: ExitRecord | undefined,
  record: JobRecord,
  outputBytes: number,
): Usage {
  const measured = cgroup?.usage();
  const { memoryBytes: _memory, pids: _pids, ...counted } = measured ?? {};
  const startNs = exit?.startNs ?? record.startNs ?? record.createNs;
  const endNs = exit?.endNs ?? BigInt(Date.now()) * 1_000_000n;
  return {
    wallUs: Math.max(0, Number((endNs - startNs) / 1_000n)),
    ...(exit && { cpuUs: exit.userUs + exit.systemUs, memoryPeakBytes: exit.maxRssBytes }),
    ...Object.fromEntries(Object.entries(counted).filter(([, value]) => value !== undefined)),
    // Finer than cgroup v1's, which samples at the clock tick, and whole: the tether reaped every process of the job.
    ...(exit && { userUs: exit.userUs, systemUs: exit.systemUs }),
    outputBytes,
  };
}
