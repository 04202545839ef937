/** Random JobSpecs: each is valid for the schema, most can run here, and some ask for what this host has to refuse. */
import fc, { type Arbitrary } from "fast-check";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { callNames } from "#ffi/abi/syscall-numbers.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import { REQUIRE_NAMES } from "#spec/job.ts";
import { OCI_ACTIONS, OCI_OPERATORS } from "#spec/oci-seccomp.ts";
import type { JobSpecInput } from "#spec/schema.ts";
import { PROFILES, SHAREABLE, ULIMIT_NAMES } from "#spec/security-names.ts";
import { AWKWARD, type Folder } from "./folder.ts";

type Part<K extends keyof JobSpecInput> = Arbitrary<NonNullable<JobSpecInput[K]>>;
type Security = NonNullable<JobSpecInput["security"]>;
type Oci = Exclude<NonNullable<Security["seccomp"]>, string>;
type Mount = NonNullable<JobSpecInput["mounts"]>[number];
type Ulimit = NonNullable<NonNullable<JobSpecInput["ulimits"]>["core"]>;

/** One of the values, each with its weight. */
function weighted<T>(...options: readonly (readonly [number, Arbitrary<T>])[]): Arbitrary<T> {
  return fc.oneof({ withCrossShrink: true }, ...options.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

const of = <T>(...values: readonly T[]): Arbitrary<T> => fc.constantFrom(...values);

/** A record whose keys are there or not, each once in so many times. */
function sparse<T extends object>(model: { readonly [K in keyof T]: readonly [number, Arbitrary<NonNullable<T[K]>>] }) {
  const entries = Object.entries(model) as [string, [number, Arbitrary<unknown>]][];
  const parts = entries.map(([key, [times, arbitrary]]) => {
    const pair = arbitrary.map((value) => [key, value] as const);
    return times === 1 ? pair : weighted([times - 1, fc.constant(undefined)], [1, pair]);
  });
  return fc
    .tuple(...parts)
    .map((pairs) => Object.fromEntries(pairs.filter((pair) => pair !== undefined)) as unknown as T);
}

const noNul = (text: string): string => text.replaceAll("\0", "");

/** Any text that a process may be given. */
export const texts: Arbitrary<string> = weighted(
  [6, of(...AWKWARD, "", " ", "=", "\u0007\u001b[31m", "\ud800", "\u2028", "x".repeat(5000))],
  [3, fc.string({ unit: "grapheme", maxLength: 40 }).map(noNul)],
  [1, fc.string({ unit: "binary", maxLength: 40 }).map(noNul)],
);

/** A name in a directory. */
const names: Arbitrary<string> = weighted(
  [6, of(...AWKWARD, "a", "b", "...")],
  [
    1,
    fc
      .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
      .map((text) => noNul(text).replaceAll("/", "_") || "_")
      .filter((text) => text !== "." && text !== ".."),
  ],
);

/** Where something may be mounted; they meet and nest now and then. */
function targets({ places, directories, link, path }: Folder): Arbitrary<string> {
  const trees = of("/tmp", "/run", "/dev/shm", "/var/run", "/var/lock", "/tmp/a", "/run/./a//b");
  return weighted(
    [
      10,
      fc.tuple(trees, fc.array(names, { minLength: 1, maxLength: 3 })).map(([tree, rest]) => [tree, ...rest].join("/")),
    ],
    [
      3,
      of(...places, ...directories, "/srv", "/mnt", "/opt", "/media/", "/tmp/a", "/tmp/a/b", "/tmp/a/b/sub", "/run/a"),
    ],
    [1, of(`${link}/sub`, "/proc", "/dev", "/proc/x", "/sys/x", "/dev/null", "/nowhere/x", "/tmp", "/etc/hosts", path)],
  );
}

function mounts(folder: Folder): Arbitrary<Mount> {
  const target = targets(folder);
  const { directories, files, link, dangling } = folder;
  const sources = weighted(
    [8, of(...directories)],
    [4, of(...files)],
    [1, of(link, `${directories[0]}/../plain/./sub//`, "/usr", "/etc/hostname")],
    [1, of(dangling, "/nowhere", "/proc/self/root", "/proc/self/cwd/x", `${files[0]}/x`, "/")],
  );
  return weighted<Mount>(
    [5, fc.record({ type: of("bind" as const), source: sources, target, readOnly: fc.boolean() })],
    [2, fc.record({ type: of("bind" as const), source: sources, target })],
    [
      3,
      fc
        .record({
          target,
          size: fc.option(fc.integer({ min: 4096, max: 2 ** 40 }), { nil: undefined }),
          mode: weighted([5, fc.constantFrom(0o755, 0o1777, 0o511)], [1, fc.integer({ min: 0, max: 0o1777 })]),
        })
        .map(({ size, ...rest }) => ({ type: "tmpfs" as const, ...rest, ...(size !== undefined && { size }) })),
    ],
    [1, fc.record({ type: of("proc" as const, "dev" as const), target })],
  );
}

/** What a program of this host needs in a root that is empty otherwise. */
export const SYSTEM: readonly Mount[] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"].map((path) => ({
  type: "bind",
  source: path,
  target: path,
  readOnly: true,
}));

const callName = of(...callNames(hostArchitecture()));

/** Calls that no program of ours here makes. */
export const UNUSED: readonly string[] = ["bpf", "kexec_load", "mount", "ptrace", "reboot", "userfaultfd", "quotactl"];

const condition = fc.record({
  index: fc.integer({ min: 0, max: 5 }),
  value: fc.maxSafeNat(),
  valueTwo: fc.maxSafeNat(),
  op: of(...OCI_OPERATORS),
});

const rule = (names: Arbitrary<string>, actions: Arbitrary<Oci["defaultAction"]>) =>
  fc.record(
    {
      names: fc.array(names, { minLength: 1, maxLength: 12 }),
      action: actions,
      errnoRet: fc.integer({ min: 1, max: 4095 }),
      args: weighted<unknown>([4, of([])], [1, of(null)], [2, fc.array(condition, { maxLength: 6 })]) as Arbitrary<[]>,
      comment: texts,
    },
    { requiredKeys: ["names", "action"] },
  );

/** A filter that lets everything through which a program of ours needs. */
export const harmlessFilters: Arbitrary<Oci> = fc.record(
  {
    defaultAction: of("SCMP_ACT_ALLOW" as const),
    syscalls: fc.array(rule(of(...UNUSED), of(...OCI_ACTIONS)), { maxLength: 5 }),
    flags: of<string[]>([], ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]),
  },
  { requiredKeys: ["defaultAction"] },
);

/** Any filter at all: most let no program live. */
export const wildFilters: Arbitrary<Oci> = fc.record(
  {
    defaultAction: of(...OCI_ACTIONS),
    defaultErrnoRet: fc.integer({ min: 1, max: 4095 }),
    architectures: of([], ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_X86"], ["SCMP_ARCH_S390"], ["x"]),
    flags: of([], ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"], ["NEW"]),
    syscalls: fc.array(rule(weighted([40, callName], [1, texts]), of(...OCI_ACTIONS)), { maxLength: 20 }),
  },
  { requiredKeys: ["defaultAction"] },
);

const capability = weighted<string>([8, of(...CAPABILITIES)], [1, of("ALL", "cap_net_raw", "Cap_Sys_Admin", "all")]);

function securities(folder: Folder): Arbitrary<Security> {
  const readable = weighted<string[]>(
    [4, of(["/"], ["/usr", "/bin", "/lib", "/lib64", "/etc", "/proc"])],
    [1, fc.array(of("/etc", "/tmp", "/nowhere", "/usr/../etc", ...folder.directories), { maxLength: 5 })],
  );
  return sparse<Security>({
    profile: [2, of(...PROFILES)],
    userns: [8, of("private", "host")],
    capAdd: [5, fc.array(capability, { maxLength: 8 })],
    capDrop: [6, fc.array(capability, { maxLength: 8 })],
    noNewPrivileges: [4, fc.boolean()],
    seccomp: [5, weighted<Oci | "unconfined">([3, of("unconfined")], [4, harmlessFilters], [2, wildFilters])],
    read: [8, readable],
    write: [10, weighted<string[]>([3, of(["/tmp"], ["/"], [])], [1, fc.array(of(...folder.directories, "/none"))])],
    maskPaths: [5, fc.boolean()],
    share: [6, fc.uniqueArray(of(...SHAREABLE), { maxLength: SHAREABLE.length })],
    clock: [
      8,
      sparse<NonNullable<Security["clock"]>>({
        monotonic: [2, weighted([9, fc.integer({ min: 0, max: 1e9 })], [1, fc.integer({ min: -1e9, max: 0 })])],
        boottime: [2, weighted([9, fc.integer({ min: 0, max: 1e9 })], [1, fc.integer({ min: -1e9, max: 0 })])],
      }),
    ],
    reportDenied: [6, fc.boolean()],
    newSession: [12, weighted([5, of(true)], [1, of(false)])],
  });
}

/** Limits that a small program runs into when they are low. */
export const FELT: readonly string[] = ["as", "cpu", "data", "fsize", "nofile", "nproc", "stack"];

/** High enough for a small program. */
const roomy: Arbitrary<Ulimit> = fc
  .tuple(
    fc.integer({ min: 2 ** 31, max: 2 ** 40 }),
    weighted<number>([2, of(-1)], [1, fc.integer({ min: 0, max: 2 ** 40 })]),
  )
  .map(([soft, more]) => ({ soft, hard: more < 0 ? -1 : soft + more }));
const low: Arbitrary<Ulimit> = fc
  .tuple(weighted([9, fc.nat(5000)], [1, of(-1)]), fc.nat(5000))
  .map(([soft, more]) => ({ soft, hard: soft < 0 ? -1 : soft + more }));
const ulimits: Part<"ulimits"> = fc
  .array(
    of(...ULIMIT_NAMES).chain((name) => {
      const value = FELT.includes(name) ? weighted([6, roomy], [1, low]) : weighted([1, roomy], [6, low]);
      return value.map((limit) => [name, limit] as const);
    }),
    { maxLength: 3 },
  )
  .map((pairs) => Object.fromEntries(pairs));

const sizes = (least: number): Arbitrary<number | string> =>
  weighted<number | string>([3, fc.integer({ min: least, max: 2 ** 40 })], [2, of("512Mi", "1.5G", "64 MiB", "2Ti")]);
const limits: Part<"limits"> = sparse<NonNullable<JobSpecInput["limits"]>>({
  cpus: [3, fc.double({ min: 0.5, max: 64, noNaN: true })],
  memory: [3, weighted<number | string>([5, sizes(2 ** 26)], [1, fc.integer({ min: 2 ** 20, max: 2 ** 24 })])],
  memoryHigh: [5, sizes(2 ** 26)],
  swap: [5, sizes(0)],
  pids: [4, weighted([5, fc.integer({ min: 32, max: 4_194_304 })], [1, fc.integer({ min: 1, max: 4 })])],
  nofile: [5, fc.integer({ min: 64, max: 524_288 })],
  output: [6, weighted<number | string>([5, sizes(2 ** 20)], [1, fc.integer({ min: 0, max: 64 })])],
  io: [
    5,
    sparse<NonNullable<NonNullable<JobSpecInput["limits"]>["io"]>>({
      rbps: [2, sizes(2 ** 20)],
      wbps: [2, sizes(2 ** 20)],
      riops: [2, fc.integer({ min: 100, max: 1e6 })],
      wiops: [2, fc.integer({ min: 100, max: 1e6 })],
    }),
  ],
});

const environmentNames = weighted(
  [6, of("PATH", "HOME", "LANG", "a b", "É", "a\nb", "-", "_", "IFS")],
  [2, fc.string({ unit: "grapheme", maxLength: 10 })],
).map((name) => noNul(name).replaceAll("=", "_") || "X");
const environments: Part<"env"> = fc
  .dictionary(environmentNames, texts, { maxKeys: 6, noNullPrototype: true })
  .map((env) => ("PATH" in env ? { ...env, PATH: `${env["PATH"]}:/bin:/usr/bin` } : env));

const users = weighted<string>(
  [6, of("0", "root", "nobody", "daemon", "1000", "1000:1000", "65535:0", "0:65535", "4242")],
  [2, fc.tuple(fc.nat(65_535), fc.nat(65_535)).map(([uid, gid]) => `${uid}:${gid}`)],
  [1, of("65536", "no-such-user", "4294967295", "4294967294:1", "9999999999")],
);

/** Commands that end by themselves. */
export const commands: Part<"command"> = weighted<string[]>(
  [
    4,
    fc
      .tuple(of("/bin/true", "true", "/bin/false"), fc.array(texts, { maxLength: 6 }))
      .map(([name, rest]) => [name, ...rest]),
  ],
  [3, fc.integer({ min: 0, max: 255 }).map((status) => ["/bin/sh", "-c", `exit ${status}`])],
  [2, of(["/nowhere/at-all"], ["tele-no-such-program", "x"], ["/etc/passwd"], ["/"], ["./true"], ["bin/true"])],
  [1, texts.filter((text) => text !== "").map((text) => [text])],
);

/** Any valid spec, over the real files of a folder. */
export function specs(folder: Folder, command: Part<"command"> = commands): Arbitrary<JobSpecInput> {
  const places = of(
    "/",
    "/",
    "/tmp",
    "/usr/bin",
    "/dev/shm",
    "/var/run",
    ...folder.directories,
    "/root",
    "/nowhere",
    "/etc/passwd",
  );
  const whole = sparse<JobSpecInput>({
    command: [1, command],
    env: [3, environments],
    clearEnv: [6, fc.boolean()],
    workdir: [4, places],
    user: [3, users],
    hostname: [5, fc.stringMatching(/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,30}[a-zA-Z0-9])?$/)],
    labels: [
      5,
      fc.dictionary(
        fc.stringMatching(/^[a-z0-9]([a-z0-9._/-]{0,20}[a-z0-9])?$/),
        texts.map((text) => text.slice(0, 255)),
        { noNullPrototype: true },
      ),
    ],
    timeout: [6, of("20s", "1h30m", "366d", "1.5m", "50ms")],
    limits: [3, limits],
    ulimits: [4, ulimits],
    require: [8, fc.array(of(...REQUIRE_NAMES), { maxLength: 3 })],
    root: [4, of({ type: "host" as const }, { type: "empty" as const })],
    mounts: [2, fc.array(mounts(folder), { maxLength: 5 })],
    security: [2, securities(folder)],
  });
  return fc.tuple(whole, fc.integer({ min: 0, max: 9 })).map(([spec, dice]) => {
    // An empty root without a program is refused, which is worth a look now and then.
    if (spec.root?.type !== "empty" || dice === 0) return spec;
    return { ...spec, mounts: [...SYSTEM, ...(spec.mounts ?? [])] };
  });
}
