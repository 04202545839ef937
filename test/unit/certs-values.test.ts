import { expect, test } from "bun:test";
import { CertError } from "#certs/errors.ts";
import { parseDays, parseFingerprint, parseRoles, parseSan, parseServer, parseTtl, parseUser } from "#certs/values.ts";

/** The error a value is refused with. */
function refusal(act: () => unknown): CertError {
  try {
    act();
  } catch (error) {
    if (error instanceof CertError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test.each(["a", "0", "alice", "alice@example.org", "a.b-c_d", "x".repeat(63)])("the user name %p is taken", (name) => {
  expect(parseUser(name)).toBe(name);
});

test.each([
  "",
  ".",
  "..",
  "../x",
  "a/b",
  "/etc/passwd",
  ".hidden",
  "-rf",
  "Alice",
  "a b",
  "a\n",
  "a\0b",
  "ä",
  "x".repeat(64),
  "server",
  "ca",
])("the user name %p is refused, with the way out", (name) => {
  const error = refusal(() => parseUser(name));
  expect(error.code).toBe("INVALID_ARGUMENT");
  expect(error.message).toContain(JSON.stringify(name));
  expect(error.fields.hint).not.toBe("");
});

test("roles come once each, in one order", () => {
  expect(parseRoles(["viewer", "admin", "viewer"])).toEqual(["admin", "viewer"]);
  expect(refusal(() => parseRoles(["root"])).message).toContain('"root"');
  expect(refusal(() => parseRoles([])).fields.hint).toContain("--role");
});

test("names of servers: DNS names in small letters, and one spelling for each address", () => {
  expect(parseSan("Box.Example")).toEqual({ type: "dns", value: "box.example" });
  expect(parseSan("*.example.org")).toEqual({ type: "dns", value: "*.example.org" });
  expect(parseSan("10.0.0.1")).toEqual({ type: "ip", value: "10.0.0.1" });
  expect(parseSan("FD00:0:0:0:0:0:0:2")).toEqual({ type: "ip", value: "fd00::2" });
  for (const bad of [
    "",
    "a_b",
    "-a",
    "a..b",
    "a.",
    "1.2.3",
    "999.1.1.1",
    "fe80::1%eth0",
    "a b",
    "x.*.y",
    "a".repeat(64),
  ])
    expect(refusal(() => parseSan(bad)).fields.hint).toContain("DNS name");
});

test("lifetimes have a unit, and an end", () => {
  expect([parseTtl("30s"), parseTtl("12h"), parseTtl("90d"), parseTtl("2w"), parseTtl("1y")]).toEqual([
    30,
    12 * 3600,
    90 * 86_400,
    14 * 86_400,
    365 * 86_400,
  ]);
  expect(parseDays("7")).toBe(7 * 86_400);
  for (const bad of ["", "90", "0d", "-1d", "1.5d", "d", "90 d", "1e3d", "101y", "999999999y"])
    expect(refusal(() => parseTtl(bad)).message).toContain(JSON.stringify(bad));
  for (const bad of ["", "0", "1d", "-3", "99999"]) expect(refusal(() => parseDays(bad)).code).toBe("INVALID_ARGUMENT");
});

test("the address of a server is https, a host and a port", () => {
  expect(parseServer("https://Box.example:6443/")).toEqual({
    url: "https://box.example:6443",
    san: { type: "dns", value: "box.example" },
  });
  const ports = ["https://box", "https://box:443", "https://box:443/", "https://[::1]"].map(
    (text) => parseServer(text).url,
  );
  expect(ports).toEqual(["https://box:6443", "https://box:443", "https://box:443", "https://[::1]:6443"]);
  expect(parseServer("https://[fd00::1]:7000").san).toEqual({ type: "ip", value: "fd00::1" });
  for (const bad of [
    "",
    "box:6443",
    "http://box",
    "https://u:p@box",
    "https://box/x",
    "https://box?x=1",
    "https://box#x",
  ])
    expect(refusal(() => parseServer(bad)).fields.hint).toContain("https://localhost:6443");
});

test("fingerprints are read in every usual spelling", () => {
  const digits = "0f".repeat(32);
  expect(parseFingerprint(digits.toUpperCase().replace(/(..)(?=.)/g, "$1:"))).toBe(digits);
  expect(parseFingerprint(digits)).toBe(digits);
  expect(parseFingerprint(digits.slice(1))).toBeUndefined();
  expect(parseFingerprint("alice")).toBeUndefined();
});
