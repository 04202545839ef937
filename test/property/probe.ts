/** A program that looks around in its sandbox, and what it has to see there. */
import { expect } from "bun:test";
import { readFileSync, readlinkSync } from "node:fs";
import { lookupUser } from "#host/users.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import type { Facts } from "#spec/facts.ts";
import type { Mount } from "#spec/mounts.ts";
import { policyOf } from "#spec/policy.ts";
import type { JobSpec } from "#spec/schema.ts";
import type { UlimitName } from "#spec/security-names.ts";
import type { Folder } from "./folder.ts";

const NAMESPACES = ["net", "ipc", "uts", "cgroup", "user", "pid", "mnt", "time"] as const;

/** Lines of /proc/pid/limits, in the order of the resources' numbers. */
const RESOURCES: readonly UlimitName[] = [
  "cpu",
  "fsize",
  "data",
  "stack",
  "core",
  "rss",
  "nproc",
  "nofile",
  "memlock",
  "as",
  "locks",
  "sigpending",
  "msgqueue",
  "nice",
  "rtprio",
  "rttime",
];

/** Builtins of the shell as far as can be: each fork is one more thing that a limit can forbid. */
const SCRIPT = `
status=$1; shift
lines() { while IFS= read -r line; do printf '%s\\0' "$1 $line"; done <"$2"; }
lines status /proc/self/status
lines limit /proc/self/limits
lines mount /proc/self/mountinfo
lines hostname /proc/sys/kernel/hostname
lines uptime /proc/uptime
printf 'directory '; pwd -P; printf '\\0'
for name in ${NAMESPACES.join(" ")}; do printf 'namespace %s ' $name; /usr/bin/readlink /proc/self/ns/$name; printf '\\0'; done
for place; do
  marker=; written=no
  if [ -d "$place" ]; then
    { IFS= read -r marker <"$place/marker"; } 2>/dev/null
    true 2>/dev/null >>"$place/written" && written=yes
  else
    { IFS= read -r marker <"$place"; } 2>/dev/null
  fi
  printf '%s\\0' "place $marker $written"
done
printf 'end\\0'
exit $status`;

/** The places of a spec that the probe can tell from others: its mounts of the folder's own files and directories. */
function marked(
  { mounts }: Pick<JobSpec, "mounts">,
  { directories, files }: Folder,
): { mount: Mount; marker: string }[] {
  return mounts.flatMap((mount) => {
    if (mount.type !== "bind") return [];
    const index = directories.includes(mount.source) ? directories.indexOf(mount.source) : files.indexOf(mount.source);
    return index < 0 ? [] : [{ mount, marker: String(index) }];
  });
}

/** Behind a file's name the shell takes a slash amiss. */
const tidy = (target: string): string => target.replace(/(.)\/+$/, "$1");

/** The command that looks around and exits with this status. */
export function probe(spec: JobSpec, folder: Folder, status: number): string[] {
  return [
    "/bin/sh",
    "-c",
    SCRIPT,
    "probe",
    String(status),
    ...marked(spec, folder).map(({ mount }) => tidy(mount.target)),
  ];
}

/** Holds what the probe said against the spec: `asked` for as it was, `spec` as it was admitted. */
export function expectSandbox(text: string, spec: JobSpec, asked: JobSpec, facts: Facts, folder: Folder): void {
  const records = text.split("\0");
  expect(records.slice(-2)).toEqual(["end", ""]);
  const all = (kind: string): string[] =>
    records.flatMap((record) => (record.startsWith(`${kind} `) ? [record.slice(kind.length + 1)] : []));
  expectIdentity(all("status"), spec, facts);
  expectLimits(all("limit"), spec);
  expectNamespaces(all, spec);
  expectMounts(all("mount"), spec);
  expectPlaces(all("place"), asked, facts, folder);
}

function expectIdentity(lines: readonly string[], spec: JobSpec, facts: Facts): void {
  const status = Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
  const policy = policyOf(spec);
  const { uid, gid, groups } = lookupUser(spec.user);
  const kept = policy.capabilities
    .map((name) => CAPABILITIES.indexOf(name))
    .filter((number) => number <= facts.lastCapability && (policy.userns === "private" || facts.held.includes(number)));
  const hex = (numbers: readonly number[]): string =>
    numbers
      .reduce((bits, number) => bits | (1n << BigInt(number)), 0n)
      .toString(16)
      .padStart(16, "0");
  const [all, ambient] = [hex(kept), hex(uid === 0 ? [] : kept)];
  const ownFilter = /^Seccomp:\s*(\d)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  expect({
    uid: status["Uid"]?.split(/\s+/),
    gid: status["Gid"]?.split(/\s+/),
    groups: status["Groups"]?.split(/\s+/).filter(Boolean).map(Number),
    capabilities: [status["CapPrm"], status["CapEff"], status["CapBnd"]],
    inherited: [status["CapInh"], status["CapAmb"]],
    locked: status["NoNewPrivs"],
    filter: status["Seccomp"],
  }).toEqual({
    uid: Array<string>(4).fill(String(uid)),
    gid: Array<string>(4).fill(String(gid)),
    groups: groups.toSorted((a, b) => a - b),
    capabilities: [all, all, all],
    inherited: [ambient, ambient],
    locked: policy.noNewPrivileges ? "1" : "0",
    filter: policy.seccomp === "unconfined" ? ownFilter : "2",
  });
}

function expectLimits([, ...lines]: readonly string[], { ulimits }: JobSpec): void {
  const shown = (value: number): string => (value === -1 ? "unlimited" : String(value));
  for (const [name, asked] of Object.entries(ulimits)) {
    const line = lines[RESOURCES.indexOf(name as UlimitName)] ?? "";
    expect([name, ...line.slice(26).trim().split(/\s+/).slice(0, 2)]).toEqual([
      name,
      shown(asked.soft),
      shown(asked.hard),
    ]);
  }
}

function expectNamespaces(all: (kind: string) => string[], spec: JobSpec): void {
  const { share, userns, clock } = policyOf(spec);
  const ours = NAMESPACES.filter((name) => (share as readonly string[]).includes(name));
  const shared = [...ours, ...(userns === "host" ? ["user"] : []), ...(clock ? [] : ["time"])];
  for (const line of all("namespace")) {
    const [name = "", link = ""] = line.trim().split(" ");
    expect([name, link === readlinkSync(`/proc/self/ns/${name}`)]).toEqual([name, shared.includes(name)]);
  }
  if (!share.includes("uts")) expect(all("hostname")).toEqual([spec.hostname]);
  const uptime = Number(all("uptime")[0]?.split(" ")[0]);
  const own = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  expect(Math.abs(uptime - own - (clock?.boottime ?? 0))).toBeLessThan(60);
}

function expectMounts(lines: readonly string[], spec: JobSpec): void {
  // Octal for space, tab, newline, backslash and hash (proc_pid_mountinfo(5)).
  const decode = (text: string): string =>
    Buffer.from(
      text.replaceAll(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))),
      "latin1",
    ).toString("latin1");
  const latin1 = (text: string): string => Buffer.from(text).toString("latin1");
  const mounted = lines.map((line) => {
    const [fields = "", rest = ""] = line.split(" - ");
    const words = fields.split(" ");
    return { point: decode(latin1(words[4] ?? "")), options: (words[5] ?? "").split(","), type: rest.split(" ")[0] };
  });
  // The sandbox's own /proc and /dev, which have nodes in them, wherever they are.
  const own = [
    "/proc",
    "/dev",
    "/sys",
    ...spec.mounts.flatMap(({ type, target }) => (type === "proc" || type === "dev" ? latin1(target) : [])),
  ];
  for (const { point, options } of mounted)
    if (!own.some((tree) => point === tree || point.startsWith(`${tree}/`)))
      expect([point, options]).toEqual([point, expect.arrayContaining(["nosuid", "nodev"])]);
  for (const mount of spec.mounts) {
    const found = mounted.filter(({ point }) => point === latin1(mount.target)).at(-1);
    expect([mount.target, found !== undefined]).toEqual([mount.target, true]);
    if (mount.type === "bind" && mount.readOnly) expect(found?.options).toContain("ro");
    if (mount.type === "tmpfs") expect(found?.type).toBe("tmpfs");
  }
}

function expectPlaces(seen: readonly string[], spec: JobSpec, facts: Facts, folder: Folder): void {
  // What lies in a directory that nobody may enter is not seen.
  if (spec.mounts.some((mount) => mount.type === "tmpfs" && (mount.mode & 0o111) !== 0o111)) return;
  const places = marked(spec, folder);
  expect(seen.map((place) => place.split(" ")[0])).toEqual(places.map(({ marker }) => marker));
  for (const [index, { mount }] of places.entries()) {
    const writes = mayWrite(spec, mount, facts, folder);
    if (writes !== undefined) expect([mount, seen[index]?.split(" ")[1]]).toEqual([mount, writes ? "yes" : "no"]);
  }
}

/** Whether the probe may make a file in this mount; undefined where that takes following Landlock's rules. */
function mayWrite(spec: JobSpec, mount: Mount, facts: Facts, { directories }: Folder): boolean | undefined {
  const { capabilities, landlock } = policyOf(spec);
  // The directories are root's.
  const may = lookupUser(spec.user).uid === 0 || capabilities.includes("DAC_OVERRIDE");
  if (mount.type !== "bind" || mount.readOnly || !may || !directories.includes(mount.source)) return false;
  if (!landlock || facts.landlock === 0 || landlock.write.includes("/")) return true;
  // What is in /dev may always be written.
  return landlock.write.length === 0 && !mount.target.startsWith("/dev/") ? false : undefined;
}
