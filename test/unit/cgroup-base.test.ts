import { describe, expect, test } from "bun:test";
import { chooseBase, type OwnCgroup } from "#host/cgroup/base.ts";

const unit: OwnCgroup = {
  path: "/c/system.slice/tele.service",
  root: false,
  writable: true,
  parentWritable: true,
  processes: [42],
  parentProcesses: [],
  siblings: ["cron.service"],
};
const choose = (own: OwnCgroup | undefined, parent?: string) =>
  chooseBase("/c", own, { name: "tele", pid: 42, ...(parent !== undefined && { parent }) });

describe("chooseBase", () => {
  test("a parent that was asked for comes first", () => {
    expect(choose(unit, "my.slice")).toEqual({ base: "/c/my.slice/tele", top: "/c", kind: "parent" });
  });

  test("our own cgroup, when we are alone in it and may divide it", () => {
    expect(choose(unit)).toEqual({ base: unit.path, top: unit.path, kind: "delegated" });
  });

  test("not when others are in it too, such as in a login session", () => {
    expect(choose({ ...unit, processes: [41, 42] }).kind).toBe("root");
  });

  test("not when it is the real root, nor when we may not write to it, nor when it cannot be seen", () => {
    const atRoot = { base: "/c/tele", top: "/c", kind: "root" } as const;
    expect(choose({ ...unit, path: "/c", root: true })).toEqual(atRoot);
    expect(choose({ ...unit, writable: false })).toEqual(atRoot);
    expect(choose(undefined)).toEqual(atRoot);
  });

  test("in the leaf that systemd made for us (DelegateSubgroup=daemon), the unit is the base", () => {
    const leaf = { ...unit, path: `${unit.path}/daemon`, siblings: [] };
    expect(choose(leaf)).toEqual({ base: unit.path, top: unit.path, kind: "leaf" });
    expect(choose({ ...leaf, parentProcesses: [7] }).kind).toBe("delegated");
    expect(choose({ ...leaf, path: "/c/some/daemon" }).kind).toBe("delegated");
    expect(choose({ ...leaf, path: "/c/some/daemon", siblings: ["jobs", "tethers"] }).base).toBe("/c/some");
  });
});
