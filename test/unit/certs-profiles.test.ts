import { expect, test } from "bun:test";
import type { CertError } from "#certs/errors.ts";
import { caProfile, clientProfile, LIFETIME, serverNames, serverProfile, validity } from "#certs/profiles.ts";
import { parseSan } from "#certs/values.ts";

const DAY = 86_400_000;
const now = new Date("2026-11-22T10:00:00.750Z");

test("an authority signs leaves only, and does nothing else", () => {
  expect(caProfile("box")).toEqual({
    kind: "ca",
    subject: [{ type: "CN", value: "tele CA of box" }],
    sans: [],
    basicConstraints: { ca: true, pathLength: 0 },
    keyUsage: ["keyCertSign", "cRLSign"],
    extKeyUsage: [],
  });
});

test("a server's certificate has no role, and is no client's", () => {
  const profile = serverProfile("box", [parseSan("localhost")]);
  expect(profile.subject).toEqual([{ type: "CN", value: "box" }]);
  expect(profile.extKeyUsage).toEqual(["serverAuth"]);
  expect(profile.keyUsage).toEqual(["digitalSignature"]);
  expect(profile.basicConstraints).toEqual({ ca: false });
});

test("a client's certificate says user and roles as Kubernetes does, and is no server's", () => {
  const profile = clientProfile("alice", ["operator", "viewer"]);
  expect(profile.subject).toEqual([
    { type: "O", value: "operator" },
    { type: "O", value: "viewer" },
    { type: "CN", value: "alice" },
  ]);
  expect(profile.extKeyUsage).toEqual(["clientAuth"]);
  expect(profile.sans).toEqual([]);
});

test("common names are cut to the 64 characters that X.509 has for them", () => {
  for (const { subject } of [caProfile("h".repeat(200)), serverProfile("h".repeat(200), [])])
    expect(subject.at(-1)?.value.length).toBe(64);
});

test("a server is valid for loopback, its host's name and addresses, and what was asked for, each once", () => {
  const addresses = [
    { address: "127.0.0.1", internal: true },
    { address: "192.0.2.2", internal: false },
    { address: "fe80::1", internal: false },
    { address: "FD00:0:0:0:0:0:0:2", internal: false },
  ];
  const asked = ["localhost", "fd00::2", "x.example"].map(parseSan);
  expect(serverNames("Box", addresses, asked).map(({ value }) => value)).toEqual([
    "localhost",
    "127.0.0.1",
    "::1",
    "box",
    "192.0.2.2",
    "fd00::2",
    "x.example",
  ]);
});

test("a host whose name is no DNS name still gets a certificate", () => {
  expect(serverNames("my_box", [], []).map(({ value }) => value)).toEqual(["localhost", "127.0.0.1", "::1"]);
});

test("certificates are valid five minutes back, to the second", () => {
  const dates = validity(now, 60);
  expect(dates.notBefore.toISOString()).toBe("2026-11-22T09:55:00.000Z");
  expect(dates.notAfter.toISOString()).toBe("2026-11-22T10:01:00.000Z");
});

test("a default lifetime ends with the authority; one that was asked for and passes it is refused", () => {
  const notAfter = new Date(Math.floor(now.getTime() / 1000) * 1000 + 10 * DAY);
  expect(validity(now, LIFETIME.client, { notAfter, asked: false }).notAfter).toEqual(notAfter);
  expect(() => validity(now, LIFETIME.client, { notAfter, asked: true })).toThrow(
    "the lifetime passes the end of the certificate authority",
  );
  try {
    validity(now, LIFETIME.client, { notAfter, asked: true });
  } catch (error) {
    expect((error as CertError).fields.hint).toBe("ask for 10 days at most");
  }
});

test("an authority that has expired signs nothing", () => {
  const ended = { notAfter: new Date(now.getTime() - DAY), asked: false };
  expect(() => validity(now, LIFETIME.client, ended)).toThrow("the certificate authority expired on 2026-11-21");
});

test("lifetimes are the documented ones", () => {
  const days = Object.fromEntries(Object.entries(LIFETIME).map(([name, seconds]) => [name, seconds / 86_400]));
  expect(days).toEqual({ ca: 3650, server: 397, serverMost: 825, client: 90, firstUser: 365 });
});
