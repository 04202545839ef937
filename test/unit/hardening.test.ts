// By what each hardening is held, in the words that a job's status shows.
import { describe, expect, test } from "bun:test";
import { hardeningOf } from "#program/hardening.ts";
import { HARDENING_NAMES } from "#spec/job.ts";
import { policyOf } from "#spec/policy.ts";
import { JobSpecSchema } from "#spec/schema.ts";

const map = (outside: number, count: number) => [{ inside: 0, outside, count }];
const root = { privileged: true, landlock: 6 };

function hardening(change: object, more: object = {}, facts = root) {
  const spec = JobSpecSchema.parse({ command: ["/bin/true"], ...change });
  return hardeningOf(policyOf(spec), facts, { spec, ...more });
}

describe("the default sandbox", () => {
  test("is held by the kernel in everything that a job does not have to ask for", () => {
    const ids = { uids: map(1_065_536, 65_536), gids: map(1_065_536, 65_536) };
    const held = hardening({}, { ids, allowedCalls: 312 });
    expect(Object.keys(held).toSorted()).toEqual([...HARDENING_NAMES].toSorted());
    expect(held).toMatchObject({
      userns: { by: "kernel", how: "uid 0 is 1065536 outside, 65536 ids" },
      namespaces: { by: "kernel", how: "pid, mount, net, ipc, uts, cgroup" },
      root: { by: "kernel", how: "the host's tree, read-only; nosuid, nodev" },
      capabilities: { by: "kernel", how: "none" },
      seccomp: { by: "kernel", how: "default, 312 calls allowed" },
      landlock: { by: "none", why: "not asked for" },
    });
    for (const name of ["noNewPrivileges", "maskedPaths", "devices", "keyring", "descriptors", "tether"] as const)
      expect(held[name]).toEqual({ by: "kernel" });
  });

  test("of an ordinary user has one id, and the host's devices bound", () => {
    const held = hardening({}, { ids: { uids: map(1000, 1), gids: map(100, 1) } }, { privileged: false, landlock: 1 });
    expect(held.userns.how).toBe("uid 0 is 1000 outside; gid 0 is 100 outside");
    expect(held.devices.how).toBe("the host's own, bound");
  });
});

describe("what does not hold", () => {
  test("came with the profile, or was asked for", () => {
    const host = hardening({ security: { profile: "host", maskPaths: false } });
    expect(host.userns).toEqual({ by: "none", why: "relaxed by the profile host" });
    expect(host.capabilities).toEqual({ by: "none", why: "relaxed by the profile host" });
    expect(host.seccomp).toEqual({ by: "none", why: "relaxed by the profile host" });
    expect(host.maskedPaths).toEqual({ by: "none", why: "as asked for" });
    expect(host.namespaces).toEqual({
      by: "kernel",
      how: "pid, mount, cgroup",
      why: "net, ipc, uts shared with the host",
    });
    expect(host.tether.by).toBe("kernel");
  });

  test("is Landlock on a kernel without", () => {
    const asked = { security: { read: ["/usr", "/etc"], write: ["/tmp"] } };
    expect(hardening(asked).landlock).toEqual({ by: "kernel", how: "ABI 6, 2 to read, 1 to write" });
    expect(hardening(asked, {}, { ...root, landlock: 0 }).landlock).toEqual({
      by: "none",
      why: "this kernel has none, or it was not switched on at boot",
    });
  });
});

test("what was added is named", () => {
  const held = hardening({
    security: { capAdd: ["KILL", "NET_RAW"], clock: {}, seccomp: { defaultAction: "SCMP_ACT_ALLOW" } },
    root: { type: "empty" },
    mounts: [
      { type: "bind", source: "/usr", target: "/usr", readOnly: true },
      { type: "bind", source: "/data", target: "/data" },
    ],
  });
  expect(held.capabilities.how).toBe("KILL, NET_RAW, in its user namespace only");
  expect(held.namespaces.how).toBe("pid, mount, net, ipc, uts, cgroup, time");
  expect(held.seccomp.how).toBe("as given");
  expect(held.root.how).toBe("an empty one, read-only; nosuid, nodev; 2 bind mounts, 1 writable");
});
