import { describe, expect, test } from "bun:test";
import { configDir, parseContexts, resolveContext, withContext } from "#certs/context.ts";
import type { CertError } from "#certs/errors.ts";
import { formatIssued, type IssuedRecord, parseIssued, selectRecords, stateOf } from "#certs/issued.ts";
import { renderLeft } from "#certs/render.ts";
import { findRevoked, formatRevoked, parseRevoked, REVOKED_HEADER } from "#certs/revoked.ts";

const print = "ab".repeat(32);

describe("the list of revoked certificates", () => {
  test("is read as it is written", () => {
    const entry = {
      fingerprint: print,
      serial: "5f",
      at: "2026-11-22T10:00:00Z",
      name: "alice",
      why: "lost her laptop",
    };
    const list = parseRevoked(REVOKED_HEADER + formatRevoked(entry), "revoked");
    expect([...list.values()]).toEqual([entry]);
  });

  test("takes a fingerprint alone, in the spelling of openssl, and finds it in that of Node", () => {
    const colons = print.toUpperCase().replace(/(..)(?=.)/g, "$1:");
    const list = parseRevoked(`\n# by hand\n  ${colons}  \r\n`, "revoked");
    expect(findRevoked(list, colons)).toEqual({ fingerprint: print });
    expect(findRevoked(list, "cd".repeat(32))).toBeUndefined();
    expect(findRevoked(list, "")).toBeUndefined();
  });

  test("keeps a reason in its line, whatever is in it", () => {
    const line = formatRevoked({
      fingerprint: print,
      why: `a\n${"cd".repeat(32)}\u001b[2J\u2028b\u202e${"x".repeat(500)}`,
    });
    expect(line.match(/\n/g)?.length).toBe(1);
    expect(parseRevoked(line, "revoked").size).toBe(1);
    // oxlint-disable-next-line no-control-regex -- that none is left is what is tested
    expect(line.trimEnd()).not.toMatch(/[\u0000-\u001f\u2028\u202e]/);
  });

  test("with a line that is none is an error that names the line, never a shorter list", () => {
    for (const bad of [print.slice(1), "alice", `${print}x`])
      expect(() => parseRevoked(`# ok\n${bad} 1 2 3\n`, "/etc/tele/revoked")).toThrow(
        "/etc/tele/revoked: line 2 does not begin with a SHA-256 fingerprint",
      );
  });
});

describe("the index of issued certificates", () => {
  const record: IssuedRecord = {
    kind: "client",
    name: "alice",
    roles: ["admin"],
    sans: [],
    serial: "50".repeat(16),
    fingerprint: print,
    notBefore: "2026-11-22T09:55:00.000Z",
    notAfter: "2026-12-22T10:00:00.000Z",
  };
  const other = { ...record, name: "bob", serial: "51".repeat(16), fingerprint: "ac".repeat(32) };

  test("is read as it is written", () => {
    expect(parseIssued(formatIssued(record) + formatIssued(other), "issued.jsonl")).toEqual([record, other]);
  });

  test("names the line that is none", () => {
    for (const bad of [
      "{",
      "[]",
      "null",
      "{}",
      JSON.stringify({ ...record, fingerprint: "x" }),
      JSON.stringify({ ...record, notAfter: "x" }),
    ])
      expect(() => parseIssued(`${formatIssued(record)}${bad}\n`, "/x/issued.jsonl")).toThrow(
        "/x/issued.jsonl: line 2",
      );
  });

  test("is searched by name, serial, fingerprint, and by eight digits of them when no other begins so", () => {
    const all = [record, other];
    expect(selectRecords(all, "bob")).toEqual([other]);
    expect(selectRecords(all, record.serial.toUpperCase())).toEqual([record]);
    expect(selectRecords(all, "acacacac")).toEqual([other]);
    expect(() => selectRecords(all, "acacaca")).toThrow('no certificate is called "acacaca"');
    expect(() => selectRecords([record, { ...other, serial: record.serial }], "50505050")).toThrow(
      "2 certificates begin with",
    );
  });

  test("tells what a certificate is worth at a time", () => {
    const none = parseRevoked("", "revoked");
    const at = (date: string, list = none) => stateOf(record, list, new Date(date));
    expect(at("2026-11-22T09:54:59Z")).toBe("not yet valid");
    expect(at("2026-11-22T09:55:00Z")).toBe("valid");
    expect(at("2026-12-22T10:00:00Z")).toBe("expired");
    expect(at("2027-12-22T10:00:00Z", parseRevoked(print, "revoked"))).toBe("revoked");
  });
});

describe("config.json", () => {
  const context = { server: "https://localhost:6443", ca: "ca.crt", cert: "clients/admin.pem", key: "/keys/admin.pem" };
  const file = "/etc/tele/config.json";

  test("gives the current context, its paths made absolute", () => {
    const config = parseContexts(withContext(undefined, file, "default", context), file);
    expect(resolveContext(config, "/etc/tele")).toEqual({
      name: "default",
      server: "https://localhost:6443",
      ca: "/etc/tele/ca.crt",
      cert: "/etc/tele/clients/admin.pem",
      key: "/keys/admin.pem",
    });
  });

  test("keeps what it does not know when a context is added", () => {
    const before = JSON.stringify({ current: "a", colour: "red", contexts: { a: { ...context, note: "mine" } } });
    const after = JSON.parse(withContext(before, file, "b", context));
    expect(after).toEqual({ current: "b", colour: "red", contexts: { a: { ...context, note: "mine" }, b: context } });
  });

  test("names the file and the place of what is wrong", () => {
    const of = (value: unknown) => () => parseContexts(JSON.stringify(value), file);
    expect(() => parseContexts("{", file)).toThrow("/etc/tele/config.json: is not JSON");
    expect(of([])).toThrow("is not a JSON object");
    expect(of({ contexts: {} })).toThrow("/current is not a text");
    expect(of({ current: "a", contexts: [] })).toThrow("/contexts is not an object");
    expect(of({ current: "a", contexts: { "a/b": { ...context, key: 1 } } })).toThrow(
      "/contexts/a~1b/key is not a text",
    );
    expect(of({ current: "a", contexts: { a: { ...context, server: "http://x" } } })).toThrow(
      "is not an https address",
    );
  });

  test("says which contexts there are when one is asked for that is not", () => {
    const config = parseContexts(withContext(undefined, file, "default", context), file);
    for (const name of ["other", "__proto__", "constructor"])
      try {
        resolveContext(config, "/etc/tele", name);
        expect.unreachable();
      } catch (error) {
        expect((error as CertError).fields.hint).toBe("use one of: default");
      }
  });

  test("is looked for where the environment says, else root's in /etc and others' at home", () => {
    expect(configDir({ TELE_CONFIG_DIR: "/a", XDG_CONFIG_HOME: "/b" }, 1000, "/home/alice")).toBe("/a");
    expect(configDir({ XDG_CONFIG_HOME: "/b" }, 1000, "/home/alice")).toBe("/b/tele");
    expect(configDir({ XDG_CONFIG_HOME: "relative" }, 1000, "/home/alice")).toBe("/home/alice/.config/tele");
    expect(configDir({ XDG_CONFIG_HOME: "" }, 0, "/root")).toBe("/etc/tele");
    expect(configDir({ XDG_CONFIG_HOME: "/b" }, 0, "/root")).toBe("/b/tele");
  });
});

test("a time that is left is told in its two largest units", () => {
  expect([89 * 86_400 + 3600, 86_400, 3660, 61, 1, 0, -5].map(renderLeft)).toEqual([
    "89d 1h",
    "1d",
    "1h 1m",
    "1m 1s",
    "1s",
    "-",
    "-",
  ]);
});
