// Who a job runs as: names and numbers against the host's own tools, and numbers that the kernel takes for something else.
import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { TeleError } from "#errors";
import { identityOf, lookupUser } from "#host/users.ts";

const rows = (path: string): string[][] =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));

function refused(work: () => unknown): TeleError {
  try {
    work();
  } catch (error) {
    if (error instanceof TeleError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test("every user of this host is who id says it is", () => {
  for (const [name = "", , uid = "", gid = "", , home = ""] of rows("/etc/passwd").slice(0, 20)) {
    const found = lookupUser(name);
    expect([name, found.uid, found.gid, found.home]).toEqual([name, Number(uid), Number(gid), home || "/"]);
    // Root's groups are left out: it could do without them whatever it needs.
    if (found.uid === 0) continue;
    const all = execFileSync("id", ["-G", name], { encoding: "utf8" }).trim().split(" ").map(Number);
    expect(new Set([found.gid, ...found.groups])).toEqual(new Set(all));
  }
});

const passwd = [
  ["root", "x", "0", "0", "root", "/root", "/bin/sh"],
  ["app", "x", "1001", "100", "", "/home/app", "/bin/sh"],
  ["homeless", "x", "1002", "1002", "", "", ""],
  ["broken", "x", "", "", "", "/", ""],
  ["short"],
  ["+"],
  ["huge", "x", "4294967296", "0", "", "/", ""],
  ["digits", "x", "10x", "0", "", "/", ""],
];
const group = [
  ["users", "x", "100", ""],
  ["a", "x", "7", "app,homeless"],
  ["b", "x", "8", "x,app"],
  ["b2", "x", "8", "app"],
  ["odd"],
  ["bad", "x", "", "app"],
];
const lookup = (user: string) => identityOf(user, passwd, group);

test("a name brings its group, its other groups and its home", () => {
  expect(lookup("app")).toEqual({ uid: 1001, gid: 100, groups: [7, 8], home: "/home/app" });
  expect(lookup("homeless")).toEqual({ uid: 1002, gid: 1002, groups: [7], home: "/" });
  expect(lookup("root")).toEqual({ uid: 0, gid: 0, groups: [], home: "/root" });
});

test("a number is its user where there is one, and otherwise itself with no groups", () => {
  expect(lookup("1001")).toEqual(lookup("app"));
  expect(lookup("01001")).toEqual(lookup("app"));
  expect(lookup("77")).toEqual({ uid: 77, gid: 0, groups: [], home: "/" });
  expect(lookup("4294967294")).toEqual({ uid: 4_294_967_294, gid: 0, groups: [], home: "/" });
});

test("a group that is chosen is the only one", () => {
  expect(lookup("1001:55")).toEqual({ uid: 1001, gid: 55, groups: [], home: "/home/app" });
  expect(lookup("0:0")).toEqual({ uid: 0, gid: 0, groups: [], home: "/root" });
});

test("a name that is not there, or whose line is none, is refused with where it was asked for", () => {
  for (const name of ["nosuch", "broken", "short", "huge", "digits"]) {
    const { code, fields } = refused(() => lookup(name));
    expect([name, code, fields.hint !== undefined]).toEqual([name, "INVALID_ARGUMENT", true]);
    expect(fields.faults).toEqual([{ pointer: "/user", detail: `no such user: ${name}` }]);
  }
});

test("numbers that setresuid(2) takes for -1, or cuts to 0, are no users: they would be root", () => {
  for (const user of ["4294967295", "4294967296", "9999999999", "1000:4294967295", "1000:4294967296"]) {
    const { code, fields } = refused(() => lookup(user));
    expect([user, code]).toEqual([user, "INVALID_ARGUMENT"]);
    expect(fields.faults?.[0]?.detail).toContain("at most 4294967294");
  }
});
