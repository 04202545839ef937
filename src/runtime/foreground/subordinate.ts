/** An ordinary user's subordinate ids: written by set-user-ID programs that know who was given which (newuidmap(1)). */
import { spawnSync } from "node:child_process";
import { TeleError } from "#errors";
import { readText } from "#ffi/files.ts";
import { subordinateIds } from "#host/userns.ts";
import type { IdMapLine, IdMaps } from "#spec/facts.ts";

/** No sandbox has more ids, its own 0 included. */
const MOST_IDS = 65_536;

export interface SubordinateMap {
  /** Ids of the tether's namespace: 0 is our own, the subordinate ones follow. */
  readonly maps: IdMaps;
  /** So many, of users and of groups alike. */
  readonly count: number;
  /** For `LaunchRequest.writeIds`. Throws START_FAILED. */
  write(pid: number): void;
}

/** What this user may map. FAILED_PRECONDITION where that is nothing. */
export function subordinateMap(): SubordinateMap {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const { uids, gids, newuidmap, newgidmap, unusable } = subordinateIds(nameOf(uid), uid);
  if (newuidmap === undefined || newgidmap === undefined)
    throw refused(unusable ?? "newuidmap is not installed", "install the package uidmap, or leave --subids out");
  const most = Math.min(total(uids), total(gids), MOST_IDS - 1);
  if (most === 0)
    throw refused(
      `${nameOf(uid)} has no line in ${total(uids) === 0 ? "/etc/subuid" : "/etc/subgid"}`,
      `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${nameOf(uid)}, or leave --subids out`,
    );
  const maps = { uids: lines(uid, uids, most), gids: lines(gid, gids, most) };
  return {
    maps,
    count: most + 1,
    write(pid) {
      helper(newuidmap, pid, maps.uids);
      helper(newgidmap, pid, maps.gids);
    },
  };
}

/** The runtime's own answer may be $USER. */
function nameOf(uid: number): string {
  const fields = readText("/etc/passwd")
    .split("\n")
    .map((line) => line.split(":"))
    .find((line) => line[2] === String(uid));
  return fields?.[0] ?? String(uid);
}

interface Range {
  readonly start: number;
  readonly count: number;
}

function total(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

function lines(own: number, ranges: readonly Range[], most: number): IdMapLine[] {
  const found: IdMapLine[] = [{ inside: 0, outside: own, count: 1 }];
  let inside = 1;
  for (const { start, count } of ranges) {
    const taken = Math.min(count, most + 1 - inside);
    if (taken > 0) found.push({ inside, outside: start, count: taken });
    inside += taken;
  }
  return found;
}

function helper(program: string, pid: number, map: readonly IdMapLine[]): void {
  const words = map.flatMap(({ inside, outside, count }) => [inside, outside, count]);
  const { status, stderr, error } = spawnSync(program, [pid, ...words].map(String), {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (status === 0) return;
  throw new TeleError("START_FAILED", {
    detail: `tether.map: ${program}: ${error?.message ?? (stderr.trim() || `exit status ${status}`)}`,
    step: "tether.map",
    hint: "see what this user was given with: tele doctor",
  });
}

function refused(detail: string, hint: string): TeleError {
  return new TeleError("FAILED_PRECONDITION", { detail, hint });
}
