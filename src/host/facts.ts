/** What this host and this process are, read once when a daemon starts. */
import { readFileSync } from "node:fs";
import type { Facts } from "#spec/facts.ts";
import { NOFILE_HARD } from "#spec/limits.ts";

/** Everything of `Facts` but the cgroup. `hide` are directories of ours that no job may see. */
export function readFacts(hide: readonly string[]): Omit<Facts, "cgroup"> {
  return {
    ignoredSignals: ignoredSignals(readFileSync("/proc/self/status", "utf8")),
    lastCapability: Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8")),
    nofileHard: Math.min(NOFILE_HARD, hardOpenFiles(readFileSync("/proc/self/limits", "utf8"))),
    hide,
  };
}

/** Signal numbers of `SigIgn:` in /proc/pid/status. */
export function ignoredSignals(status: string): number[] {
  const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return Array.from({ length: 64 }, (_, index) => index + 1).filter((signal) => (mask >> BigInt(signal - 1)) & 1n);
}

/** The hard limit of `Max open files` in /proc/pid/limits. */
export function hardOpenFiles(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? "1024";
  return hard === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(hard);
}
