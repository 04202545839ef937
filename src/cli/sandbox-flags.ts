/** The flags that describe a sandbox, as the users of bubblewrap and docker know them, and the parts of a JobSpec that they make. */
import { type Fault, TeleError } from "#errors";
import { policyOf } from "#spec/policy.ts";
import type { JobSpecInput } from "#spec/schema.ts";
import { PROFILES, SHAREABLE, ULIMIT_NAMES } from "#spec/security-names.ts";
import type { Flags, Values } from "./command.ts";
import { MOUNT_FLAGS, mountsOf } from "./mount-flags.ts";
import { nearest } from "./nearest.ts";
import { readSeccomp } from "./seccomp-file.ts";

const SANDBOX = "Sandbox";
const NAMESPACES = "Namespaces (all are the job's own by default)";

export const SANDBOX_FLAGS = {
  ...MOUNT_FLAGS,
  profile: {
    type: "enum",
    options: [...PROFILES],
    group: SANDBOX,
    description: "How hard the sandbox is (default: default)",
  },
  "cap-add": {
    type: "string",
    repeat: true,
    group: SANDBOX,
    valueHint: "CAP|ALL",
    description: "Give it a capability, in its user namespace",
  },
  "cap-drop": {
    type: "string",
    repeat: true,
    group: SANDBOX,
    valueHint: "CAP|ALL",
    description: "Take a capability of the profile away",
  },
  seccomp: {
    type: "string",
    group: SANDBOX,
    valueHint: "FILE|unconfined",
    description: "System call filter in OCI form (JSON), or none",
    completes: "file",
  },
  "new-privileges": { type: "boolean", group: SANDBOX, description: "Let set-user-ID programs work" },
  "no-new-privileges": {
    type: "boolean",
    group: SANDBOX,
    description: "Do not, where the profile would",
  },
  read: {
    type: "string",
    repeat: true,
    group: SANDBOX,
    valueHint: "DIR",
    description: "Landlock: it may read this, and nothing that is not named",
    completes: "directory",
  },
  write: {
    type: "string",
    repeat: true,
    group: SANDBOX,
    valueHint: "DIR",
    description: "Landlock: it may write this too",
    completes: "directory",
  },
  "unmask-paths": {
    type: "boolean",
    group: SANDBOX,
    description: "Show masked kernel files, make the read-only ones writable",
  },
  "report-denied": { type: "boolean", group: SANDBOX, description: "Say at its end which system calls were denied" },
  ulimit: {
    type: "string",
    repeat: true,
    group: SANDBOX,
    valueHint: "NAME=SOFT[:HARD]",
    description: "Resource limit of each process",
  },
  uid: { type: "string", group: SANDBOX, valueHint: "N", description: "Who runs it, as a number; see --user" },
  gid: { type: "string", group: SANDBOX, valueHint: "N", description: "Its group, as a number" },
  userns: {
    type: "enum",
    options: ["private", "host"],
    group: NAMESPACES,
    description: "Ids of its own (default), or the host's",
  },
  "share-user": { type: "boolean", group: NAMESPACES, description: "Same as --userns host" },
  "share-net": { type: "boolean", group: NAMESPACES, description: "Use the host's network" },
  "share-ipc": { type: "boolean", group: NAMESPACES, description: "Use the host's shared memory and message queues" },
  "share-uts": { type: "boolean", group: NAMESPACES, description: "Use the host's name" },
  "share-cgroup": { type: "boolean", group: NAMESPACES, description: "See the host's cgroups" },
  "unshare-all": {
    type: "boolean",
    group: NAMESPACES,
    description: "Share nothing of what the profile shares, but what --share-... names",
  },
  "unshare-user": {
    type: "boolean",
    alias: "unshare-user-try",
    group: NAMESPACES,
    description: "Same as --userns private",
  },
  "unshare-net": { type: "boolean", group: NAMESPACES, description: "Do not share it, where the profile would" },
  "unshare-ipc": { type: "boolean", group: NAMESPACES, description: "Do not share it" },
  "unshare-uts": { type: "boolean", group: NAMESPACES, description: "Do not share it" },
  "unshare-cgroup": { type: "boolean", alias: "unshare-cgroup-try", group: NAMESPACES, description: "Do not share it" },
  "unshare-pid": { type: "boolean", group: NAMESPACES, description: "Always so" },
  "unshare-time": { type: "boolean", group: NAMESPACES, description: "Clocks of its own, which show the host's times" },
  "clock-offset": {
    type: "string",
    group: NAMESPACES,
    valueHint: "CLOCK=N,...",
    description: "Clocks of its own, seconds ahead: monotonic=N,boottime=N",
  },
} as const satisfies Flags;

type SandboxValues = Values<typeof SANDBOX_FLAGS>;
type Part = Pick<JobSpecInput, "security" | "mounts" | "root" | "ulimits" | "user">;
type Security = NonNullable<JobSpecInput["security"]>;

/** What these flags ask for, and nothing else. INVALID_ARGUMENT with every fault, each under its flag. */
export async function sandboxOf(flags: SandboxValues): Promise<Part> {
  const faults: Fault[] = contradictions(flags);
  const { made, faults: wrongMounts } = await mountsOf(flags);
  faults.push(...wrongMounts);
  const ulimits = await toUlimits(flags.ulimit, faults);
  const security: Security = {
    ...(flags.profile !== undefined && { profile: flags.profile as NonNullable<Security["profile"]> }),
    ...(flags["cap-add"].length > 0 && { capAdd: words(flags["cap-add"]) }),
    ...(flags["cap-drop"].length > 0 && { capDrop: words(flags["cap-drop"]) }),
    ...(flags["new-privileges"] && { noNewPrivileges: false }),
    ...(flags["no-new-privileges"] && { noNewPrivileges: true }),
    ...(flags.read.length > 0 && { read: [...flags.read] }),
    ...(flags.write.length > 0 && { write: [...flags.write] }),
    ...(flags["unmask-paths"] && { maskPaths: false }),
    ...(flags["report-denied"] && { reportDenied: true }),
    ...namespaces(flags),
    ...clockOf(flags, faults),
  };
  if (flags.seccomp !== undefined) {
    const read = await readSeccomp(flags.seccomp);
    if ("faults" in read) faults.push(...read.faults);
    else security.seccomp = read.filter;
  }
  const user = userOf(flags, faults);
  if (faults.length > 0) throw refused(faults);
  return {
    ...(Object.keys(security).length > 0 && { security }),
    ...(made.length > 0 && { mounts: made.map(({ mount }) => mount) }),
    ...(flags.root !== undefined && { root: { type: flags.root as "host" | "empty" } }),
    ...(Object.keys(ulimits).length > 0 && { ulimits }),
    ...(user !== undefined && { user }),
  };
}

function refused(faults: readonly Fault[]): TeleError {
  const [first] = faults;
  const detail = faults.length === 1 && first ? `${first.pointer} ${first.detail}` : `${faults.length} faults`;
  return new TeleError("INVALID_ARGUMENT", { detail, faults });
}

/** Pairs of flags of which one takes the other back. */
function contradictions(flags: SandboxValues & { readonly user?: string | undefined }): Fault[] {
  const both: (readonly [boolean, string, boolean, string])[] = [
    ...SHAREABLE.map(
      (name) => [flags[`share-${name}`], `--share-${name}`, flags[`unshare-${name}`], `--unshare-${name}`] as const,
    ),
    [flags["share-user"], "--share-user", flags["unshare-user"], "--unshare-user"],
    [flags["share-user"], "--share-user", flags.userns === "private", "--userns private"],
    [flags["unshare-user"], "--unshare-user", flags.userns === "host", "--userns host"],
    [flags["new-privileges"], "--new-privileges", flags["no-new-privileges"], "--no-new-privileges"],
    [flags.user !== undefined, "--user", flags.uid !== undefined, "--uid"],
    [flags.user !== undefined, "--user", flags.gid !== undefined, "--gid"],
  ];
  return both.flatMap(([one, first, other, second]) =>
    one && other ? [{ pointer: first, detail: `contradicts ${second}; leave one of them out` }] : [],
  );
}

function namespaces(flags: SandboxValues): Pick<Security, "userns" | "share"> {
  const base = policyOf({ security: flags.profile === undefined ? {} : { profile: flags.profile as "default" } });
  const share = SHAREABLE.filter(
    (name) =>
      flags[`share-${name}`] || (base.share.includes(name) && !flags[`unshare-${name}`] && !flags["unshare-all"]),
  );
  const takenBack =
    flags["unshare-user"] || (flags["unshare-all"] && !flags["share-user"] && flags.userns === undefined);
  const userns = flags["share-user"]
    ? "host"
    : takenBack
      ? "private"
      : (flags.userns as "private" | "host" | undefined);
  return {
    ...(share.join() !== base.share.join() && { share }),
    ...(userns !== undefined && (flags.userns !== undefined || userns !== base.userns) && { userns }),
  };
}

function clockOf(flags: SandboxValues, faults: Fault[]): Pick<Security, "clock"> {
  const text = flags["clock-offset"];
  if (text === undefined) return flags["unshare-time"] ? { clock: {} } : {};
  const clock: { monotonic?: number; boottime?: number } = {};
  for (const part of text.split(",")) {
    const [, name, seconds] = /^(monotonic|boottime)=([+-]?\d+)$/.exec(part) ?? [];
    if (name === "monotonic" || name === "boottime") clock[name] = Number(seconds);
    else
      faults.push({
        pointer: "--clock-offset",
        detail: `cannot be ${JSON.stringify(part)}; write whole seconds, as in: --clock-offset monotonic=60,boottime=60`,
      });
  }
  return { clock };
}

function userOf({ uid, gid }: SandboxValues, faults: Fault[]): string | undefined {
  if (uid === undefined && gid === undefined) return undefined;
  for (const [flag, value] of [
    ["--uid", uid],
    ["--gid", gid],
  ] as const)
    if (value !== undefined && !/^\d{1,10}$/.test(value))
      faults.push({ pointer: flag, detail: `must be a number, not ${JSON.stringify(value)}; names are for --user` });
  return gid === undefined ? uid : `${uid ?? 0}:${gid}`;
}

async function toUlimits(list: readonly string[], faults: Fault[]): Promise<NonNullable<JobSpecInput["ulimits"]>> {
  const ulimits: NonNullable<JobSpecInput["ulimits"]> = {};
  for (const word of list) {
    const [, given = "", soft = "", hard = soft] = /^([^=]*)=([^:]*)(?::(.*))?$/.exec(word) ?? [];
    const name = ULIMIT_NAMES.find((one) => one === given);
    const values = [soft, hard].map((text) =>
      text === "unlimited" ? -1 : /^(?:-1|\d{1,15})$/.test(text) ? Number(text) : undefined,
    );
    if (given === "" || values.includes(undefined)) {
      faults.push({
        pointer: "--ulimit",
        detail: `cannot be ${JSON.stringify(word)}; write it as in: --ulimit core=0 or --ulimit stack=8388608:unlimited`,
      });
    } else if (name === undefined) {
      const meant = await nearest(given, ULIMIT_NAMES);
      faults.push({
        pointer: "--ulimit",
        detail: `does not know ${JSON.stringify(given)}; ${meant ? `did you mean ${meant}?` : `there are ${ULIMIT_NAMES.join(", ")}`}`,
      });
    } else ulimits[name] = { soft: values[0] ?? -1, hard: values[1] ?? -1 };
  }
  return ulimits;
}

function words(list: readonly string[]): string[] {
  return list.flatMap((word) => word.split(","));
}
