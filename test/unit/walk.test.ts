// Paths followed by hand arrive where the kernel arrives, and say where they would leave the tree.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAtOrBelow, lookAtHost, tidy, walk } from "#runtime/walk.ts";

let dir: string;
const at = (path: string) => walk(join(dir, path), lookAtHost);

beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), "tele-walk-")));
  mkdirSync(join(dir, "a/b"), { recursive: true });
  writeFileSync(join(dir, "a/file"), "");
  symlinkSync("a/b", join(dir, "relative"));
  symlinkSync(join(dir, "a"), join(dir, "absolute"));
  symlinkSync("../..", join(dir, "a/b/up"));
  symlinkSync("round", join(dir, "round"));
  symlinkSync("nowhere", join(dir, "dangling"));
  symlinkSync("/proc/self/fd/0", join(dir, "magic"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("a path", () => {
  test.each([
    "a/b",
    "a/file",
    "relative",
    "absolute/b",
    "absolute/b/up/a/./file",
    "a/b/../../a//b/",
    "relative/up/absolute/file",
  ])("%s leads where realpath(3) says", (path) => {
    expect(at(path).path).toBe(realpathSync(join(dir, path)));
    expect(at(path).errno).toBeUndefined();
  });

  test("says what is there", () => {
    expect(at("relative").seen).toBe("directory");
    expect(at("absolute/file").seen).toBe("file");
  });

  test("that leads nowhere says how far it went, and why no further", () => {
    expect(at("absolute/x/y")).toEqual({ path: join(dir, "a/x/y"), seen: "nothing", errno: "ENOENT" });
    expect(at("dangling")).toEqual({ path: join(dir, "nowhere"), seen: "nothing", errno: "ENOENT" });
    expect(at("a/file/x")).toMatchObject({ seen: "nothing", errno: "ENOTDIR" });
    expect(at("round/x")).toMatchObject({ seen: "nothing", errno: "ELOOP" });
    expect(at(`${"x".repeat(300)}/y`)).toMatchObject({ seen: "nothing", errno: "ENAMETOOLONG" });
  });

  test("through a link that is another one for each process says so", () => {
    expect(at("magic").magic).toBe("/proc/self");
    expect(walk("/dev/fd/0", lookAtHost).magic).toBe("/proc/self");
    expect(walk("/proc/1/root/etc", lookAtHost).magic).toBe("/proc/1");
    expect(walk("/proc/sys", lookAtHost).magic).toBeUndefined();
  });

  test("is tidied and compared by whole names", () => {
    expect(tidy("//a/./b/")).toBe("/a/b");
    expect([
      isAtOrBelow("/a/b", "/a"),
      isAtOrBelow("/ab", "/a"),
      isAtOrBelow("/a", "/a"),
      isAtOrBelow("/a", "/"),
    ]).toEqual([true, false, true, true]);
  });
});
