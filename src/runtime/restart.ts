/** What an earlier daemon left: running jobs are taken over, ended ones concluded, strays removed. */
import { openSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { SIG } from "#ffi/abi/signal.ts";
import { call } from "#ffi/call.ts";
import { TETHER_FD } from "#program/descriptors.ts";
import { takeFromRuntime } from "./descriptor.ts";
import { readAtOf, repairOutput } from "./output.ts";
import { readRecord } from "./output-index.ts";
import { jobPaths, type JobPaths, type StateDirectory } from "./state-directory.ts";
import type { JobRecord } from "./store/record.ts";
import { findTether, startTicksOf, type Tether } from "./tether.ts";

/** A running job whose tether still holds everything. */
export interface Found {
  readonly tether: Tether;
  readonly descriptors: { readonly report: number; readonly stdout: number; readonly stderr: number };
  readonly data: number;
  readonly index: number;
  readonly size: number;
  readonly records: number;
  readonly lastNs: bigint;
}

/** Takes a running job over; undefined when its tether is gone, and then only its files tell. */
export function takeOver(record: JobRecord, paths: JobPaths): Found | undefined {
  const tether = record.tether && findTether(record.tether);
  if (!tether) return undefined;
  const descriptors = tether.takeDescriptors();
  if (descriptors.report < 0) {
    // It died while we looked.
    for (const fd of [descriptors.stdout, descriptors.stderr]) if (fd >= 0) call("close", fd);
    tether.close();
    return undefined;
  }
  const { size, records } = repairOutput({ dataPath: paths.data, indexPath: paths.index });
  const indexFile = openSync(paths.index, "r+");
  // A job that has written nothing yet has no last record.
  const lastNs = records > 0 ? (readRecord(readAtOf(indexFile), records - 1)?.timeNs ?? 0n) : 0n;
  const data = takeFromRuntime(openSync(paths.data, "r+"));
  const index = takeFromRuntime(indexFile);
  return { tether, descriptors, data, index, size, records, lastNs };
}

/**
 * Kills tethers that write into this state directory but belong to no job on record: their daemon died between the
 * launch and the record, and nobody was ever told of them. Such a tether is known by what it is (a sealed memfd of our
 * name) and what it holds (an exit file of ours).
 */
export function killStrays(state: StateDirectory, known: (id: string) => boolean): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (!link(`/proc/${pid}/exe`)?.startsWith("/memfd:tele-tether")) continue;
    const ticks = startTicksOf(Number(pid));
    const exit = link(`/proc/${pid}/fd/${TETHER_FD.record}`);
    const id = exit && strayId(state, exit);
    if (!id || known(id)) continue;
    const pidfd = call("pidfd_open", Number(pid), 0);
    if (pidfd < 0) continue;
    if (startTicksOf(Number(pid)) === ticks) call("pidfd_send_signal", pidfd, SIG.KILL, 0, 0);
    call("close", pidfd);
  }
}

/** Directories of jobs that are on no record. */
export function strayDirectories(state: StateDirectory, known: (id: string) => boolean): JobPaths[] {
  return readdirSync(state.jobs)
    .filter((id) => /^[a-z0-9][a-z0-9-]{0,62}$/.test(id) && !known(id))
    .map((id) => jobPaths(state, id));
}

function strayId(state: StateDirectory, exit: string): string | undefined {
  const parts = exit.replace(/ \(deleted\)$/, "").split("/");
  const id = parts.at(-2) ?? "";
  return exit.startsWith(join(state.jobs, id, "exit")) ? id : undefined;
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
