/** Launches from plain data, so that another process can be told what to launch. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { call } from "#ffi/call.ts";
import { mappingNamespace, unownedNamespace } from "#host/mapping-namespace.ts";
import { listenerSockets } from "#runtime/call-listener.ts";
import { launch, type Launched } from "#runtime/launch.ts";
import type { IdMaps } from "#spec/facts.ts";

/** What a launch needs of the machine besides its tether. */
export interface Means {
  readonly namespaces: number;
  /** Path of the exit record. */
  readonly record: string;
  /** Path of the file that the workload writes to; pipes without it. */
  readonly output?: string;
  /** The command, where its program leaves it to be passed. */
  readonly passed?: readonly string[];
  /** Paths: the v2 directory, then the v1 `tasks` files. */
  readonly cgroup: readonly string[];
  readonly bound: boolean;
  /** Of the tether's own user namespace. */
  readonly ids?: IdMaps;
  /** Of the job, for its id-mapped mounts. */
  readonly mapped?: IdMaps;
  /** Whether the host's tree is shown without owners. */
  readonly unowned: boolean;
  /** Whether somebody takes the listener of the workload's filter. */
  readonly supervised: boolean;
}

/** A tether under way. */
export interface Started extends Launched {
  /** The socket over which the listener of its workload's filter comes; the caller's. */
  readonly listener?: number;
}

/** Opens what is needed, launches, and closes it again. Throws what `launch` throws. */
export function start(means: Means, tether: Uint8Array): Started {
  const { ids } = means;
  const files: number[] = [];
  const raw: number[] = [];
  const file = (path: string, flags: string): number => {
    const fd = openSync(path, flags);
    files.push(fd);
    return fd;
  };
  try {
    const output = means.output === undefined ? undefined : file(means.output, "w");
    const idmap = means.mapped && mappingNamespace(means.mapped);
    if (idmap !== undefined) raw.push(idmap);
    const unowned = means.unowned ? unownedNamespace() : undefined;
    if (unowned !== undefined) raw.push(unowned);
    const sockets = means.supervised ? listenerSockets() : undefined;
    if (sockets) raw.push(sockets.theirs);
    const launched = launch({
      tether,
      namespaces: means.namespaces,
      record: file(means.record, "w"),
      stdin: file("/dev/null", "r"),
      cgroup: means.cgroup.map((path) => file(path, path.endsWith("/tasks") ? "w" : "r")),
      bound: means.bound,
      ...(means.passed && { passed: means.passed }),
      ...(output !== undefined && { output: { stdout: output, stderr: output } }),
      ...(ids && { ids, writeIds: (pid: number) => writeIds(pid, ids) }),
      ...(idmap !== undefined && { idmap }),
      ...(unowned !== undefined && { unowned }),
      ...(sockets && { listener: sockets.theirs }),
    });
    return { ...launched, ...(sockets && { listener: sockets.ours }) };
  } finally {
    for (const fd of files) closeSync(fd);
    for (const fd of raw) call("close", fd);
  }
}

/** As newuidmap(1) and newgidmap(1) do it: with the rights of the host's root, so that groups need not be frozen. */
function writeIds(pid: number, { uids, gids }: IdMaps): void {
  for (const [file, lines] of [
    ["uid_map", uids],
    ["gid_map", gids],
  ] as const)
    writeFileSync(
      `/proc/${pid}/${file}`,
      lines.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join(""),
    );
}
