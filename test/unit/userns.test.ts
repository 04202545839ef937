// What keeps a process from making user namespaces, and which ids it may map: read from texts, and tried.
import { expect, test } from "bun:test";
import { isChroot, rangesOf, subordinateIds, usernsObstacle, usernsProbe } from "#host/userns.ts";
import { ALL, madeHost, MOUNTS_V2, NONE, status } from "#test/support/doctor-hosts.ts";

test("a host without restrictions has no obstacle", () => {
  expect(usernsObstacle(undefined, madeHost())).toBeUndefined();
  expect(usernsObstacle(undefined, madeHost({ uid: 1000 }))).toBeUndefined();
});

test("a kernel without user namespaces, and a limit of none, hold for everybody", () => {
  for (const uid of [0, 1000]) {
    const links = { "/proc/self/ns/user": "" };
    expect(usernsObstacle(undefined, madeHost({ uid, links }))?.remedy).toContain("CONFIG_USER_NS=y");
    const files = { "/proc/sys/user/max_user_namespaces": "0\n" };
    expect(usernsObstacle(undefined, madeHost({ uid, files }))).toEqual({
      why: "user.max_user_namespaces is 0",
      remedy: "sudo sysctl -w user.max_user_namespaces=15000",
    });
  }
});

test("Debian's and Ubuntu's sysctls are for those without CAP_SYS_ADMIN over the machine", () => {
  for (const [file, value] of [
    ["/proc/sys/kernel/unprivileged_userns_clone", "0\n"],
    ["/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n"],
  ] as const) {
    const files = { [file]: value };
    expect(usernsObstacle(undefined, madeHost({ files }))).toBeUndefined();
    expect(usernsObstacle(undefined, madeHost({ uid: 1000, files }))).toBeDefined();
    const nested = { ...files, "/proc/self/uid_map": "0 100000 65536\n", "/proc/self/status": status(0, ALL) };
    expect(usernsObstacle(undefined, madeHost({ files: nested }))).toBeDefined();
  }
});

test("under AppArmor's restriction a profile of one's own helps, Ubuntu's stripping one does not", () => {
  const under = (profile: string) =>
    usernsObstacle(
      undefined,
      madeHost({
        uid: 1000,
        files: {
          "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
          "/proc/self/attr/apparmor/current": profile,
        },
      }),
    );
  expect(under("tele (unconfined)\n")).toBeUndefined();
  expect(under("unconfined\n")?.why).toContain("AppArmor");
  expect(under("unprivileged_userns (enforce)\n")?.why).toContain("AppArmor");
  expect(under("")?.why).toContain("AppArmor");
});

test("a chroot into a directory shows no mount on /, one into a mount is seen elsewhere by init", () => {
  expect(isChroot(MOUNTS_V2, MOUNTS_V2)).toBe(false);
  expect(isChroot("", MOUNTS_V2)).toBe(false);
  expect(isChroot("30 22 0:40 / /proc rw - proc proc rw\n", MOUNTS_V2)).toBe(true);
  const init = `${MOUNTS_V2}40 22 8:2 / /srv/root rw - ext4 /dev/sdb1 rw\n`;
  expect(isChroot("40 22 8:2 / / rw - ext4 /dev/sdb1 rw\n", init)).toBe(true);
  // A container: its root is a mount of another namespace.
  expect(isChroot("800 700 0:50 / / rw - overlay overlay rw\n", MOUNTS_V2)).toBe(false);
  expect(isChroot(MOUNTS_V2, "")).toBe(false);
});

test("what an attempt said narrows down what cannot be read", () => {
  const filtered = madeHost({ uid: 1000, files: { "/proc/self/status": status(1000, NONE, { Seccomp: "2" }) } });
  const enforced = madeHost({ uid: 1000, files: { "/proc/self/attr/current": "snap.tele (enforce)\n" } });
  expect(usernsObstacle(undefined, filtered)).toBeUndefined();
  expect(usernsObstacle({ call: "clone3", errno: "EPERM" }, filtered)?.why).toBe(
    "clone3 says EPERM, likely by the seccomp filter that this process is under",
  );
  expect(usernsObstacle({ call: "clone3", errno: "EACCES" }, enforced)?.why).toContain("AppArmor profile snap.tele");
  expect(usernsObstacle({ call: "clone3", errno: "ENOSPC" }, filtered)?.why).toContain("too many");
  expect(usernsObstacle({ call: "clone3", errno: "EPERM" }, madeHost())?.why).toContain("in a chroot or by a security");
});

test("an attempt works wherever nothing is known to stand in its way, and leaves no child behind", () => {
  expect(usernsObstacle()).toBeUndefined();
  for (let round = 0; round < 20; round++) expect(usernsProbe()).toBeUndefined();
});

test("ranges are those of the name or of the number, in every line of subuid(5)", () => {
  const text =
    "# comment\nalice:100000:65536\nbob:165536:65536\n1000:300000:10\nalice:400000:0\nalice:x:1\n\nalice:9:1:1\n";
  expect(rangesOf(text, "alice", 1000)).toEqual([
    { start: 100000, count: 65536 },
    { start: 300000, count: 10 },
  ]);
  expect(rangesOf(text, "carol", 1002)).toEqual([]);
  expect(rangesOf("alice:4294967290:100\n", "alice", 1000)).toEqual([]);
});

test("newuidmap counts where it is installed, has its rights, and may use them", () => {
  const all = subordinateIds("alice", 1000, madeHost({ uid: 1000 }));
  expect(all).toEqual({
    uids: [{ start: 100000, count: 65536 }],
    gids: [{ start: 100000, count: 65536 }],
    newuidmap: "/usr/bin/newuidmap",
    newgidmap: "/usr/bin/newgidmap",
  });
  const half = subordinateIds("alice", 1000, madeHost({ uid: 1000, programs: ["newuidmap"] }));
  expect([half.newuidmap, half.newgidmap, half.unusable]).toEqual([
    "/usr/bin/newuidmap",
    undefined,
    "newgidmap is not installed",
  ]);
  const powerless = subordinateIds("alice", 1000, madeHost({ uid: 1000, raises: false }));
  expect(powerless.unusable).toBe("/usr/bin/newuidmap has neither its set-user-ID bit nor capabilities");
});
