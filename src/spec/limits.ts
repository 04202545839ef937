import type { JobSpec } from "./schema.ts";

const MiB = 2 ** 20;

/** What a job gets when it asks for nothing. Bytes, counts, CPUs; `io` is per block device and second. */
export const DEFAULT_LIMITS: Limits = {
  cpus: 0.1,
  memory: 512 * MiB,
  memoryHigh: 384 * MiB,
  swap: 0,
  pids: 512,
  nofile: 1024,
  output: 1024 * MiB,
  io: { rbps: 80 * MiB, wbps: 40 * MiB, riops: 1000, wiops: 1000 },
};

/** Hard limit of open files: a job may raise its own soft limit (1024 by default) up to here, as under systemd. */
export const NOFILE_HARD = 524_288;

/** The period over which `cpus` is measured, in microseconds: the longest the kernel takes, so the cheapest. */
export const CPU_PERIOD_US = 1_000_000;

/** Every limit with its value: what was asked for over the defaults. */
export interface Limits {
  readonly cpus: number;
  readonly memory: number;
  readonly memoryHigh: number;
  readonly swap: number;
  readonly pids: number;
  readonly nofile: number;
  readonly output: number;
  readonly io: { readonly rbps: number; readonly wbps: number; readonly riops: number; readonly wiops: number };
}

/** The limits in force: asked for over default; `memoryHigh` follows a lowered `memory` at three quarters. */
export function effectiveLimits(asked: JobSpec["limits"]): Limits {
  const memory = asked.memory ?? DEFAULT_LIMITS.memory;
  const memoryHigh = asked.memoryHigh ?? Math.floor(memory * (DEFAULT_LIMITS.memoryHigh / DEFAULT_LIMITS.memory));
  return {
    ...DEFAULT_LIMITS,
    ...dropUndefined(asked),
    memory,
    memoryHigh,
    io: { ...DEFAULT_LIMITS.io, ...dropUndefined(asked.io ?? {}) },
  };
}

function dropUndefined<T extends object>(record: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as never;
}
