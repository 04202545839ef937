/** Host ids for the user namespaces of a daemon's jobs: each has 65,536 of its own for as long as it is kept. */
import { TeleError } from "#errors";
import { readText } from "#ffi/files.ts";

/** `count` ids from `start` on, of users and of groups alike. */
export interface IdRange {
  readonly start: number;
  readonly count: number;
}

/** Ids of one job: as many as a usual system numbers its users with, `nobody` (65534) included. */
export const IDS_PER_JOB = 65_536;

/** Below are the host's own users. */
const LOWEST = 65_536;
/** Where the default begins: above what useradd(8) gives to the first users of a host (login.defs(5), SUB_UID_MIN). */
const DEFAULT_START = 1_000_000;
/** First id of `tele run` without a daemon (`claimed-range.ts`): the daemons' end here. */
export const CLAIMED_START = 2 ** 30;

/** Reads `START:COUNT`; the text of the fault where it is none. */
export function parseRange(text: string): IdRange | string {
  const match = /^(\d{1,10}):(\d{1,10})$/.exec(text);
  if (!match) return "is not START:COUNT, two numbers";
  const [start, count] = [Number(match[1]), Number(match[2])];
  if (start < LOWEST) return `begins below ${LOWEST}, where the host's own users are`;
  if (count < IDS_PER_JOB) return `has ${count} ids, and one job takes ${IDS_PER_JOB}`;
  if (start + count > CLAIMED_START)
    return `ends above ${CLAIMED_START - 1}; the ids from there on are those of tele run without a daemon`;
  return { start, count };
}

/** The texts that decide which ids are free: subuid(5), subgid(5), and our own maps (user_namespaces(7)). */
export interface HostIds {
  readonly subuid: string;
  readonly subgid: string;
  /** /proc/self/uid_map */
  readonly uidMap: string;
  /** /proc/self/gid_map */
  readonly gidMap: string;
}

/** Reads them; a missing file is an empty one. */
export function readHostIds(): HostIds {
  const [subuid, subgid] = ["/etc/subuid", "/etc/subgid"].map(readText) as [string, string];
  return { subuid, subgid, uidMap: readText("/proc/self/uid_map"), gidMap: readText("/proc/self/gid_map") };
}

/**
 * The range to use where nobody chose one: root's in subuid(5) and subgid(5) as far as the two agree, else the most that
 * nobody else was given between 1,000,000 and 2^30. Only ids that we have ourselves, since a daemon in a container has
 * few; undefined when they are not enough for one job.
 */
export function defaultRange({ subuid, subgid, uidMap, gidMap }: HostIds): IdRange | undefined {
  const [uids, gids] = [subordinate(subuid), subordinate(subgid)];
  // A grant for one range is meant for one container (Proxmox VE gives root 100000:65536): it would be one job.
  const granted = common(uids.root, gids.root).filter(({ first, end }) => end - first >= 2 * IDS_PER_JOB);
  const others = [uids, gids].flatMap(({ root, others: rest }) => [...root, ...rest]);
  const free = granted.length > 0 ? granted : without([{ first: DEFAULT_START, end: CLAIMED_START }], others);
  const ours = common(common(mapped(uidMap), mapped(gidMap)), [{ first: LOWEST, end: CLAIMED_START }]);
  const [largest] = common(free, ours).toSorted((a, b) => b.end - b.first - (a.end - a.first) || a.first - b.first);
  if (!largest || largest.end - largest.first < IDS_PER_JOB) return undefined;
  return { start: largest.first, count: largest.end - largest.first };
}

/** Whether all ids of a range are ours to give. */
export function hasIds({ uidMap, gidMap }: Pick<HostIds, "uidMap" | "gidMap">, { start, count }: IdRange): boolean {
  const wanted = [{ first: start, end: start + count }];
  return without(wanted, common(mapped(uidMap), mapped(gidMap))).length === 0;
}

/** The range that was asked for (FAILED_PRECONDITION when we lack ids of it), else the default one of this host. */
export function rangeOf(asked: IdRange | undefined, ids: HostIds = readHostIds()): IdRange | undefined {
  if (!asked) return defaultRange(ids);
  if (hasIds(ids, asked)) return asked;
  throw new TeleError("FAILED_PRECONDITION", {
    detail: `the ids ${asked.start} to ${asked.start + asked.count - 1} are not all there in tele's own user namespace`,
    hint: "choose others for --userns-range (cat /proc/self/uid_map /proc/self/gid_map), or map more into its container",
  });
}

/** Gives ranges of one job each out of a larger one. */
export interface Ranges {
  /** The lowest that is free. RESOURCE_EXHAUSTED when none is, FAILED_PRECONDITION when there never was one. */
  take(): IdRange;
  /** To be called once for each range that was taken, by this process or an earlier one. */
  give(range: IdRange): void;
}

/** `taken` may lie anywhere: an earlier daemon may have had another range. */
export function openRanges(parts: { range: IdRange | undefined; taken: Iterable<IdRange> }): Ranges {
  const { start, count } = parts.range ?? { start: 0, count: 0 };
  // How many hold ids of each slot: jobs of an earlier daemon with another range may reach into it from both sides.
  const holders = new Uint8Array(Math.floor(count / IDS_PER_JOB));
  /** Nothing below is free. */
  let lowest = 0;

  function* slotsOf(range: IdRange): Generator<number> {
    const first = Math.max(0, Math.floor((range.start - start) / IDS_PER_JOB));
    const last = Math.min(holders.length - 1, Math.floor((range.start + range.count - 1 - start) / IDS_PER_JOB));
    for (let slot = first; slot <= last; slot++) yield slot;
  }
  const hold = (slot: number): void => {
    holders[slot] = (holders[slot] ?? 0) + 1;
  };
  for (const range of parts.taken) for (const slot of slotsOf(range)) hold(slot);

  return {
    take() {
      const slot = holders.indexOf(0, lowest);
      if (slot < 0) throw nothingLeft(parts.range, holders.length);
      lowest = slot + 1;
      hold(slot);
      return { start: start + slot * IDS_PER_JOB, count: IDS_PER_JOB };
    },
    give(range) {
      for (const slot of slotsOf(range)) {
        const held = holders[slot] ?? 0;
        if (held > 0) holders[slot] = held - 1;
        if (held === 1) lowest = Math.min(lowest, slot);
      }
    },
  };
}

function nothingLeft(range: IdRange | undefined, jobs: number): TeleError {
  if (!range)
    return new TeleError("FAILED_PRECONDITION", {
      detail: `tele's own user namespace has no ${IDS_PER_JOB} ids from ${DEFAULT_START} on to give to a job`,
      hint: "map more ids into its container, name those it has with 'tele serve --userns-range', or start the job with '--userns host'",
    });
  return new TeleError("RESOURCE_EXHAUSTED", {
    detail: `the ids of ${range.start}:${range.count} are all in use, by ${jobs} ${jobs === 1 ? "job" : "jobs"}`,
    hint: "forget closed jobs with 'tele rm', which gives their ids back, or have the server's --userns-range widened",
  });
}

/** Ids from `first` up to, not including, `end`. */
interface Span {
  readonly first: number;
  readonly end: number;
}

/** Lines `name:start:count`, root's by its name or its id. */
function subordinate(text: string): { root: Span[]; others: Span[] } {
  const root: Span[] = [];
  const others: Span[] = [];
  for (const line of text.split("\n")) {
    const [, name, first, count] = /^([^#:][^:]*):(\d+):(\d+)\s*$/.exec(line) ?? [];
    const span = { first: Number(first), end: Number(first) + Number(count) };
    if (name !== undefined) (name === "root" || name === "0" ? root : others).push(span);
  }
  return { root, others };
}

/** The ids inside of a map's lines. */
function mapped(text: string): Span[] {
  return text.split("\n").flatMap((line) => {
    const [, first, count] = /^\s*(\d+)\s+\d+\s+(\d+)\s*$/.exec(line) ?? [];
    return first === undefined ? [] : [{ first: Number(first), end: Number(first) + Number(count) }];
  });
}

/** What is in both; spans that touch become one. */
function common(some: readonly Span[], others: readonly Span[]): Span[] {
  const parts = some.flatMap((a) =>
    others.map((b) => ({ first: Math.max(a.first, b.first), end: Math.min(a.end, b.end) })),
  );
  const joined: Span[] = [];
  for (const part of parts.filter(({ first, end }) => first < end).toSorted((a, b) => a.first - b.first)) {
    const last = joined.at(-1);
    if (last && part.first <= last.end) joined[joined.length - 1] = { ...last, end: Math.max(last.end, part.end) };
    else joined.push(part);
  }
  return joined;
}

function without(some: readonly Span[], others: readonly Span[]): Span[] {
  return others.reduce<readonly Span[]>(
    (left, hole) =>
      left.flatMap((span) =>
        [
          { first: span.first, end: Math.min(span.end, hole.first) },
          { first: Math.max(span.first, hole.end), end: span.end },
        ].filter(({ first, end }) => first < end),
      ),
    some,
  ) as Span[];
}
