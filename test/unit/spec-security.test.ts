// What a job may ask of its sandbox: what comes of it, what contradicts itself, what only an admin may ask for.
import { describe, expect, test } from "bun:test";
import { faultsOf } from "#api/problem.ts";
import { CAPABILITIES, DOCKER_CAPABILITIES } from "#spec/capabilities.ts";
import { conflicts } from "#spec/conflicts.ts";
import { policyOf, relaxations } from "#spec/policy.ts";
import { type JobSpec, JobSpecSchema } from "#spec/schema.ts";

const spec = (change: object = {}): JobSpec => JobSpecSchema.parse({ command: ["/bin/true"], ...change });
const policy = (security: object) => policyOf(spec({ security }));

function refused(change: object): Record<string, string> {
  const parsed = JobSpecSchema.safeParse({ command: ["/bin/true"], ...change }, { reportInput: true });
  if (parsed.success) throw new Error("it was accepted");
  return Object.fromEntries(faultsOf(parsed.error, JobSpecSchema).map(({ pointer, detail }) => [pointer, detail]));
}

describe("a profile", () => {
  test("that nobody chose is default: no capabilities, ids of its own, a filter, no new privileges", () => {
    expect(policy({})).toEqual({
      profile: "default",
      userns: "private",
      share: [],
      capabilities: [],
      noNewPrivileges: true,
      seccomp: "default",
      maskPaths: true,
      reportDenied: false,
      newSession: true,
    });
  });

  test("can be tightened and relaxed field by field", () => {
    expect(policy({ profile: "host", userns: "private", share: ["net"], maskPaths: true })).toMatchObject({
      profile: "host",
      userns: "private",
      share: ["net"],
      maskPaths: true,
      seccomp: "unconfined",
    });
    expect(policy({ read: ["/usr"] }).landlock).toEqual({ read: ["/usr"], write: [] });
    expect(policy({ clock: { monotonic: 5 } }).clock).toEqual({ monotonic: 5, boottime: 0 });
  });

  test("gives and takes capabilities as docker does: ALL has the names of the other list as exceptions", () => {
    const names = (security: object) => [...policy(security).capabilities];
    expect(names({ capAdd: ["cap_net_raw", "KILL"] })).toEqual(["KILL", "NET_RAW"]);
    expect(names({ profile: "dev" }).toSorted()).toEqual([...DOCKER_CAPABILITIES].toSorted());
    expect(names({ profile: "dev", capDrop: ["ALL"], capAdd: ["KILL"] })).toEqual(["KILL"]);
    expect(names({ profile: "dev", capDrop: ["mknod"] })).not.toContain("MKNOD");
    expect(names({ capAdd: ["ALL"] })).toEqual([...CAPABILITIES]);
    expect(names({ capAdd: ["ALL"], capDrop: ["SYS_ADMIN"] })).toEqual(
      CAPABILITIES.filter((name) => name !== "SYS_ADMIN"),
    );
  });
});

describe("only an admin may ask", () => {
  test.each([
    ["for nothing by default", {}, []],
    [
      "for nothing that tightens",
      { security: { profile: "strict", read: ["/usr"], capDrop: ["ALL"], reportDenied: true } },
      [],
    ],
    ["for a laxer profile", { security: { profile: "dev" } }, ["/security/profile"]],
    [
      "for each relaxation",
      {
        security: {
          userns: "host",
          capAdd: ["KILL"],
          noNewPrivileges: false,
          seccomp: "unconfined",
          maskPaths: false,
          share: ["net"],
        },
      },
      [
        "/security/userns",
        "/security/capAdd",
        "/security/noNewPrivileges",
        "/security/seccomp",
        "/security/maskPaths",
        "/security/share",
      ],
    ],
    [
      "for a filter of one's own",
      { security: { seccomp: { defaultAction: "SCMP_ACT_ALLOW" } } },
      ["/security/seccomp"],
    ],
    [
      "for files of the host, not for memory",
      {
        mounts: [
          { type: "tmpfs", target: "/tmp/a" },
          { type: "bind", source: "/etc", target: "/tmp/b" },
        ],
      },
      ["/mounts/1"],
    ],
    [
      "for realtime priorities",
      { ulimits: { rtprio: { soft: 0, hard: 9 }, core: { soft: 0, hard: 0 } } },
      ["/ulimits/rtprio"],
    ],
  ])("%s", (_, change, pointers) => {
    expect(relaxations(spec(change))).toEqual(pointers);
  });
});

describe("a contradiction", () => {
  test.each([
    [
      "a capability given and taken",
      { security: { capAdd: ["KILL"], capDrop: ["NET_RAW", "CAP_KILL"] } },
      "/security/capDrop/1",
    ],
    ["strict with the host's ids", { security: { profile: "strict", userns: "host" } }, "/security/userns"],
    ["strict without a filter", { security: { profile: "strict", seccomp: "unconfined" } }, "/security/seccomp"],
    [
      "strict with set-user-ID programs",
      { security: { profile: "strict", noNewPrivileges: false } },
      "/security/noNewPrivileges",
    ],
    ["strict with unmasked files", { security: { profile: "strict", maskPaths: false } }, "/security/maskPaths"],
    [
      "a report of what nothing denies",
      { security: { profile: "host", reportDenied: true } },
      "/security/reportDenied",
    ],
    ["a name of its own in the host's uts namespace", { hostname: "x", security: { share: ["uts"] } }, "/hostname"],
    [
      "one limit in two places",
      { limits: { nofile: 99 }, ulimits: { nofile: { soft: 9, hard: 9 } } },
      "/ulimits/nofile",
    ],
    ["an empty root with no program", { root: { type: "empty" } }, "/root/type"],
  ])("%s is told with a way out", (_, change, pointer) => {
    const faults = conflicts(spec(change));
    expect(faults.map((fault) => fault.pointer)).toEqual([pointer]);
    expect(faults[0]?.detail).toMatch(/[;,] |leave it out/);
  });

  test("is not what docker's users write every day", () => {
    expect(conflicts(spec({ security: { capDrop: ["ALL"], capAdd: ["KILL"] } }))).toEqual([]);
    expect(conflicts(spec({ security: { profile: "host", userns: "private" } }))).toEqual([]);
  });
});

describe("a bad spec", () => {
  test("is told with pointers into everything that is wrong, and what was meant", () => {
    expect(
      refused({
        security: {
          profile: "strct",
          capAdd: ["NET_ADMN"],
          capDrop: ["nonsense"],
          share: ["pid"],
          profil: 1,
          read: ["usr"],
          seccomp: { defaultAction: "SCMP_ACT_ALOW", syscalls: [{ names: [], action: "SCMP_ACT_ALLOW", extra: 1 }] },
        },
        mounts: [
          { type: "bnd", target: "/x" },
          { type: "bind", source: "x", target: "/a/../b" },
          { type: "tmpfs", target: "/", siz: 1 },
        ],
        ulimits: { nofil: { soft: 1, hard: 1 }, core: { soft: 3, hard: 1 } },
        require: ["memry"],
        root: { type: "image" },
      }),
    ).toEqual({
      "/security/profile": 'cannot be "strct"; did you mean "strict"?',
      "/security/capAdd/0": 'there is no capability "NET_ADMN"; did you mean NET_ADMIN?',
      "/security/capDrop/0": 'there is no capability "nonsense"; they are listed in capabilities(7)',
      "/security/share/0": 'must be "net" or "ipc" or "uts" or "cgroup"',
      "/security/profil": 'is unknown; did you mean "profile"?',
      "/security/read/0": "must be an absolute path",
      "/security/seccomp/defaultAction": 'cannot be "SCMP_ACT_ALOW"; did you mean "SCMP_ACT_ALLOW"?',
      "/security/seccomp/syscalls/0/names": expect.any(String),
      "/security/seccomp/syscalls/0/extra": "is unknown",
      "/mounts/0/type": 'must be "bind" or "tmpfs" or "proc" or "dev"',
      "/mounts/1/source": "must be an absolute path",
      "/mounts/1/target": "must not hold '..'",
      "/mounts/2/target": "must lie below /",
      "/mounts/2/siz": 'is unknown; did you mean "size"?',
      "/ulimits/nofil": 'is unknown; did you mean "nofile"?',
      "/ulimits/core": "soft must be at most hard",
      "/require/0": 'cannot be "memry"; did you mean "memory"?',
      "/root/type": expect.stringContaining('"host" or "empty"'),
    });
  });

  test("of which a part may be of two kinds says what they are", () => {
    expect(refused({ security: { seccomp: 5 } })).toEqual({ "/security/seccomp": 'must be "unconfined" or object' });
    expect(refused({ mounts: {} })).toEqual({ "/mounts": "must be array, not object" });
  });
});
