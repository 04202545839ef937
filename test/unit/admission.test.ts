// What a host refuses before anything of a job is made: all of it at once, each with its place and the way out.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { uptime } from "node:os";
import { join } from "node:path";
import { TeleError } from "#errors";
import { type AdmissionHost, admissionFaults, admit, checkRequired, daemonHost } from "#runtime/admission.ts";
import { type Enforced, LIMIT_NAMES } from "#spec/job.ts";
import { type JobSpec, JobSpecSchema } from "#spec/schema.ts";

let dir: string;
let host: AdmissionHost;

beforeAll(() => {
  // Not below /tmp, of which every job has its own.
  dir = realpathSync(mkdtempSync("/var/tmp/tele-admission-"));
  mkdirSync(join(dir, "data/sub"), { recursive: true });
  mkdirSync(join(dir, "secret/keys"), { recursive: true });
  writeFileSync(join(dir, "file"), "");
  symlinkSync(join(dir, "secret"), join(dir, "link"));
  symlinkSync("/proc/self/fd/0", join(dir, "magic"));
  symlinkSync("/proc", join(dir, "to-proc"));
  symlinkSync("/run", join(dir, "to-run"));
  const facts = { privileged: true, lastCapability: 40, nofileHard: 524_288, hide: [join(dir, "secret")] };
  host = daemonHost(facts, {});
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** `DIR` stands for the directory of this test. */
const spec = (change: object = {}): JobSpec =>
  JobSpecSchema.parse({ command: ["/bin/true"], ...JSON.parse(JSON.stringify(change).replaceAll("DIR", dir)) });
const faults = (change: object, on: Partial<AdmissionHost> = {}): Record<string, string> =>
  Object.fromEntries(
    admissionFaults(spec(change), { ...host, ...on }).map(({ pointer, detail }) => [
      pointer,
      detail.replaceAll(dir, "DIR"),
    ]),
  );
const bind = (source: string, target: string) => ({ type: "bind", source, target });
const mounts = (...list: object[]) => faults({ mounts: list });

function refused(work: () => unknown): TeleError {
  try {
    work();
  } catch (error) {
    if (error instanceof TeleError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("a job that asks for nothing special", () => {
  test("is taken on as it is", () => {
    expect(admit(spec(), host)).toEqual(spec());
  });

  test("with mounts gets them outermost first, links in their places followed, without what is there anyway", () => {
    const asked = [
      { type: "proc", target: "/proc/" },
      bind("/usr/", "/tmp//a/b"),
      { type: "tmpfs", target: "/tmp/a" },
      { type: "dev", target: "/dev" },
      bind("/etc/passwd", "DIR/to-run/x"),
    ];
    expect(admit(spec({ mounts: asked }), host).mounts.map(({ type, target }) => [type, target])).toEqual([
      ["tmpfs", "/tmp/a"],
      ["bind", "/tmp/a/b"],
      ["bind", "/run/x"],
    ]);
  });

  test("in an empty root can have mounts anywhere", () => {
    const list = [bind("/usr", "/usr"), { type: "tmpfs", target: "/some/where" }, bind("DIR/file", "/etc/new/file")];
    expect(faults({ root: { type: "empty" }, mounts: list })).toEqual({});
  });
});

describe("the source of a bind mount", () => {
  test.each([
    [
      "around a directory of ours",
      "DIR",
      "DIR contains DIR/secret, a directory of tele's own, which no job may see; mount what lies beside it",
    ],
    [
      "that does not exist",
      "DIR/nope",
      "DIR/nope does not exist on this host; make it there first, or correct the path",
    ],
    [
      "below a file",
      "DIR/file/x",
      "DIR/file/x does not exist on this host: a file is where a directory would be (ENOTDIR); make it there first, or correct the path",
    ],
    [
      "in a directory of ours, by a link",
      "DIR/link/keys",
      "DIR/link/keys is in a directory of tele's own, which no job may see; copy what it needs elsewhere",
    ],
    [
      "behind a link that each process has its own of",
      "DIR/magic",
      "DIR/magic leads through /proc/self, which is another directory for each process; name the file itself",
    ],
    [
      "by which our own descriptors could be had",
      "/dev/fd/0",
      "/dev/fd/0 leads through /proc/self, which is another directory for each process; name the file itself",
    ],
  ])("%s is refused", (_, source, detail) => {
    expect(mounts(bind(source, "/tmp/x"))).toEqual({ "/mounts/0/source": detail });
  });
});

describe("the target of a mount", () => {
  test.each([
    [
      "that is not in the host's tree",
      bind("/usr", "/no-such-place"),
      /does not exist in the host's tree, which is read-only; make it/,
    ],
    ["in a directory of ours", bind("/usr", "DIR/secret/keys"), /does not exist in the host's tree/],
    [
      "in /proc",
      bind("/usr", "/proc/sys"),
      /is in \/proc, which is the kernel's and every job's own; choose another place/,
    ],
    [
      "that leads into /proc by a link",
      bind("/usr", "DIR/to-proc/sys"),
      /DIR\/to-proc\/sys \(\/proc\/sys\) is in \/proc/,
    ],
    ["that is /sys", { type: "tmpfs", target: "/sys" }, /is in \/sys/],
    ["that is /proc for a /dev", { type: "dev", target: "/proc" }, /is in \/proc/],
    ["in /dev", bind("/dev/null", "/dev/kvm"), /is in \/dev, which is every job's own with the usual nodes only/],
    ["that is a file for a directory", bind("/usr", "DIR/file"), /is a file, and a directory cannot be mounted on it/],
    [
      "that is a directory for a file",
      bind("DIR/file", "DIR/data"),
      /DIR\/data is a directory, and DIR\/file is a file; name the file in it, as in DIR\/data\/file/,
    ],
    ["that is a file for a tmpfs", { type: "tmpfs", target: "/etc/passwd" }, /is a file/],
  ])("%s is refused", (_, mount, detail) => {
    expect(mounts(mount)).toEqual({ "/mounts/0/target": expect.stringMatching(detail) });
  });

  test("may be any place below /tmp, /run and /dev/shm, and what is in the host's tree", () => {
    expect(
      mounts(
        bind("/usr", "/tmp/a/b"),
        bind("DIR/file", "/run/f"),
        { type: "tmpfs", target: "/dev/shm/x" },
        { type: "tmpfs", target: "/dev/shm" },
        bind("/usr", "DIR/data"),
      ),
    ).toEqual({});
  });

  test("inside of another mount has to be there, or can be made where that is new", () => {
    const inner = (target: string) =>
      mounts(bind("/usr", target), { type: "tmpfs", target: "/mnt" }, bind("DIR/data", "/opt"));
    expect(inner("/mnt/x/y")).toEqual({});
    expect(inner("/opt/sub")).toEqual({});
    expect(inner("/opt/other")["/mounts/0/target"]).toBe(
      "/opt/other does not exist in DIR/data, which is mounted there, and nothing is made in it; make it first",
    );
  });

  test("cannot be had twice, whatever it is called", () => {
    expect(mounts(bind("/usr", "/run/a"), { type: "tmpfs", target: "/run//a/" }, bind("/etc", "DIR/to-run/a"))).toEqual(
      {
        "/mounts/1/target": "is the target of /mounts/0 too; mount one of them elsewhere",
        "/mounts/2/target": "is the target of /mounts/0 too; mount one of them elsewhere",
      },
    );
  });
});

describe("a user", () => {
  test("that /etc/passwd does not know is refused", () => {
    expect(faults({ user: "nobody-here" })).toEqual({
      "/user": "no such user: nobody-here; name one of its /etc/passwd, or give a number",
    });
  });

  test("whose id is outside the map is refused, unless the ids are the host's or the map is for whoever it is", () => {
    expect(faults({ user: "70000:65536" })["/user"]).toStartWith(
      "has uid 70000, gid 65536, and the ids of a job's user namespace go from 0 to 65535;",
    );
    expect(faults({ user: "65535:65535" })).toEqual({});
    expect(faults({ user: "70000:70000", security: { userns: "host" } })).toEqual({});
    const { ids: _, ...single } = host;
    expect(admissionFaults(spec({ user: "70000:70000" }), single)).toEqual([]);
    expect(faults({ user: "1:1" }, { ids: 1 })["/user"]).toContain("from 0 to 0");
  });

  test("by name needs the host's /etc/passwd in the job", () => {
    const root = { type: "empty" };
    expect(faults({ user: "root", root, mounts: [bind("/usr", "/usr")] })["/user"]).toContain(
      "which this job does not see; give a number",
    );
    expect(faults({ user: "root", root, mounts: [bind("/etc", "/etc")] })).toEqual({});
    expect(faults({ user: "root", mounts: [bind("DIR/file", "/etc/passwd")] })["/user"]).toContain("give a number");
    expect(faults({ user: "0", root, mounts: [bind("/usr", "/usr")] })).toEqual({});
  });
});

describe("what only some hosts and keepers have", () => {
  const ordinary = { privileged: false, lastCapability: 40, nofileHard: 1024, hide: [] };

  test("the host's ids are root's", () => {
    expect(faults({ security: { userns: "host" } }, { facts: ordinary })["/security/userns"]).toContain(
      "leave it out, or be root",
    );
    expect(faults({ security: { profile: "host" } }, { facts: ordinary })["/security/profile"]).toContain(
      "add --userns private",
    );
    expect(faults({ security: { profile: "host", userns: "private" } }, { facts: ordinary })).toEqual({});
  });

  test("a session to share is that of tele run", () => {
    const security = { newSession: false };
    expect(faults({ security })["/security/newSession"]).toContain("leave it out");
    expect(faults({ security }, { keeper: "parent" })).toEqual({});
  });

  test("capabilities of newer kernels", () => {
    const old = { ...ordinary, privileged: true, lastCapability: 37 };
    expect(faults({ security: { capAdd: ["KILL", "BPF"] } }, { facts: old })).toEqual({
      "/security/capAdd/1": "BPF is newer than this kernel, which knows none above AUDIT_READ; leave it out",
    });
    expect(faults({ security: { capAdd: ["ALL"] } }, { facts: old })).toEqual({});
  });

  test("clocks do not go below zero", () => {
    const far = -Math.floor(uptime()) - 3600;
    expect(faults({ security: { clock: { boottime: far } } })["/security/clock/boottime"]).toContain("to before zero");
    expect(faults({ security: { clock: { monotonic: 86_400 } } })).toEqual({});
  });

  test("more than the hard limits of an ordinary user, or than the ceiling of a server", () => {
    const nofile = { soft: 10, hard: 4096 };
    expect(faults({ ulimits: { nofile } }, { facts: ordinary })["/ulimits/nofile"]).toContain(
      "must be at most 1024, the hard limit of who",
    );
    expect(faults({ ulimits: { nofile } }, { ceiling: { nofile: 2048 } })["/ulimits/nofile"]).toContain(
      "2048, this server's ceiling",
    );
    expect(faults({ ulimits: { nofile: { soft: 1, hard: -1 } } })["/ulimits/nofile"]).toContain("at most 524288");
    expect(faults({ ulimits: { nofile, core: { soft: 0, hard: -1 } } })).toEqual({});
  });
});

describe("paths of Landlock", () => {
  test("have to be in the job's own root", () => {
    expect(
      faults({
        security: { read: ["/usr", "/nope", "/tmp"], write: ["/tmp/x", "/run/y"] },
        mounts: [{ type: "tmpfs", target: "/run/y" }],
      }),
    ).toEqual({
      "/security/read/1": "/nope does not exist in the job's root; correct the path, or mount something there",
      "/security/write/0": "/tmp/x does not exist in the job's root; correct the path, or mount something there",
    });
  });
});

test("a filter that names unknown calls is refused with their places", () => {
  const seccomp = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [{ names: ["read", "opn"], action: "SCMP_ACT_ALLOW" }],
  };
  expect(faults({ security: { seccomp } })).toEqual({
    "/security/seccomp/syscalls/0/names/1": expect.stringContaining("there is no system call opn"),
  });
});

describe("a refusal", () => {
  test("names everything that is wrong at once", () => {
    const error = refused(() =>
      admit(
        spec({
          user: "nobody-here",
          limits: { memory: "8Gi" },
          mounts: [bind("/nope", "/proc/x")],
          security: { profile: "strict", userns: "host", read: ["/nope"] },
        }),
        { ...host, ceiling: { memory: 2 ** 30 } },
      ),
    );
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.fields.detail).toBe("6 faults");
    expect(error.fields.faults?.map(({ pointer }) => pointer)).toEqual([
      "/limits/memory",
      "/security/userns",
      "/mounts/0/source",
      "/mounts/0/target",
      "/user",
      "/security/read/0",
    ]);
  });

  test("for the ceiling alone is told as such, and lower defaults are filled in", () => {
    const ceiling = { memory: 2 ** 28 };
    const error = refused(() => admit(spec({ limits: { memory: "1Gi" } }), { ...host, ceiling }));
    expect(error.fields).toMatchObject({
      detail: "the job asks for more than this server gives",
      faults: [{ pointer: "/limits/memory" }],
    });
    expect(admit(spec(), { ...host, ceiling }).limits.memory).toBe(2 ** 28);
  });

  test("for what cannot be held has a code of its own, unless more is wrong", () => {
    const enforced = {
      ...(Object.fromEntries(LIMIT_NAMES.map((name) => [name, { by: "cgroup2" }])) as Enforced),
      memory: { by: "none", why: "no controller" },
      seccomp: { by: "none", why: "relaxed by the profile host" },
    } as const;
    const on = { ...host, enforced: () => enforced };
    const require = ["cpus", "memory", "seccomp"];
    const error = refused(() => admit(spec({ require }), on));
    expect([error.code, error.fields.detail]).toEqual([
      "LIMIT_NOT_ENFORCEABLE",
      "this host cannot hold memory, seccomp",
    ]);
    expect(error.fields.faults).toEqual([
      { pointer: "/require/1", detail: "memory cannot be held: no controller" },
      { pointer: "/require/2", detail: "seccomp cannot be held: relaxed by the profile host" },
    ]);
    expect(refused(() => checkRequired(spec({ require: ["memory"] }), enforced)).code).toBe("LIMIT_NOT_ENFORCEABLE");
    const both = refused(() => admit(spec({ require, user: "nobody-here" }), on));
    expect([both.code, both.fields.faults?.length]).toEqual(["INVALID_ARGUMENT", 3]);
    expect(admit(spec({ require: ["cpus", "landlock"] }), on).require).toEqual(["cpus", "landlock"]);
  });
});
