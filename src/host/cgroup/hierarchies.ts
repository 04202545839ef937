/** Pure: which cgroup hierarchies are mounted, which controllers each has, and where in it we are. */

/** The controllers we use, by their cgroup v2 names; `cpuacct` is a controller of its own on v1 only. */
export const CONTROLLERS = ["cpu", "cpuacct", "memory", "io", "pids"] as const;
export type Controller = (typeof CONTROLLERS)[number];

/** One mounted hierarchy. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** Directory on which it is mounted. */
  readonly mount: string;
  /** Directory of our own cgroup below `mount`; undefined when that part of the hierarchy is not mounted. */
  readonly own?: string;
  /** v1: those bound to it. v2: empty, `cgroup.controllers` says it. */
  readonly controllers: readonly Controller[];
}

/** Every hierarchy that can be of use. */
export interface Hierarchies {
  readonly layout: "v2" | "v1" | "hybrid" | "none";
  readonly v2?: Hierarchy;
  readonly v1: readonly Hierarchy[];
}

const V1_NAMES: Readonly<Record<string, Controller>> = {
  cpu: "cpu",
  cpuacct: "cpuacct",
  memory: "memory",
  blkio: "io",
  pids: "pids",
};

interface Mount {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Of the texts of /proc/self/mountinfo (proc_pid_mountinfo(5)) and /proc/self/cgroup (cgroups(7)). Lines that are neither are passed over. */
export function readHierarchies(mountinfo: string, procCgroup: string): Hierarchies {
  const mounts = visibleMounts(mountinfo);
  const paths = ownPaths(procCgroup);
  const v2 = best(
    mounts.filter((mount) => mount.type === "cgroup2"),
    paths.get(""),
  );
  const v1 = new Map<string, Mount[]>();
  for (const mount of mounts) {
    if (mount.type !== "cgroup") continue;
    const names = mount.options.filter((option) => option in V1_NAMES).sort();
    if (names.length === 0) continue;
    const key = names.join();
    v1.set(key, [...(v1.get(key) ?? []), mount]);
  }
  const found: Hierarchy[] = [];
  for (const [key, candidates] of v1) {
    const names = key.split(",");
    const chosen = best(candidates, paths.get(names[0] ?? ""));
    const controllers = names.flatMap((name) => V1_NAMES[name] ?? []);
    if (chosen) found.push({ version: 1, controllers, ...chosen });
  }
  const layout = v2 ? (found.length > 0 ? "hybrid" : "v2") : found.length > 0 ? "v1" : "none";
  return { layout, v1: found, ...(v2 && { v2: { version: 2, controllers: [], ...v2 } }) };
}

/** Later mounts hide earlier ones on the same directory. */
function visibleMounts(mountinfo: string): Mount[] {
  const byPoint = new Map<string, Mount>();
  for (const line of mountinfo.split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [root, point] = [fields[3], fields[4]];
    const type = fields[dash + 1];
    if (dash < 0 || root === undefined || !point?.startsWith("/") || type === undefined) continue;
    byPoint.delete(unescape(point));
    byPoint.set(unescape(point), {
      root: unescape(root),
      point: unescape(point),
      type,
      options: (fields[dash + 3] ?? "").split(","),
    });
  }
  return [...byPoint.values()];
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** Our path in each hierarchy, by v1 controller name; v2 has the empty name. */
function ownPaths(procCgroup: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of procCgroup.split("\n")) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (!match) continue;
    // A cgroup outside our namespace shows as /.., a removed one ends in (deleted): there is no directory for either.
    const path = match[2] ?? "/";
    if (path.startsWith("/..") || path.endsWith(" (deleted)")) continue;
    for (const name of (match[1] ?? "").split(",")) paths.set(name, path);
  }
  return paths;
}

/** The mount of a hierarchy that shows the most of it: one that has our own cgroup in it, then the shortest root. */
function best(candidates: readonly Mount[], path: string | undefined): { mount: string; own?: string } | undefined {
  const rated = candidates.map((mount) => ({ mount, own: within(mount, path) }));
  rated.sort(
    (a, b) => Number(a.own === undefined) - Number(b.own === undefined) || a.mount.root.length - b.mount.root.length,
  );
  const first = rated[0];
  if (!first) return undefined;
  return { mount: first.mount.point, ...(first.own !== undefined && { own: first.own }) };
}

function within(mount: Mount, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const root = mount.root === "/" ? "" : mount.root;
  if (path !== root && !path.startsWith(`${root}/`)) return undefined;
  return (mount.point + path.slice(root.length)).replace(/\/$/, "");
}
