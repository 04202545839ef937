// Who may do what, and what is written down about it: the pure half of the API's gate.
import { describe, expect, test } from "bun:test";
import type { PeerCertificate } from "node:tls";
import { createAudit } from "#api/audit.ts";
import { allowsAction, allowsSpec, listScope, maySee, type Action } from "#api/authorization.ts";
import { readPeer, refusal, type Identity, type Role } from "#api/identity.ts";
import { JobSpecSchema } from "#spec/schema.ts";

const who = (user: string, ...roles: Role[]): Identity => ({ user, roles, fingerprint: "ab".repeat(32) });

const certificate = (changes: Record<string, unknown> = {}): PeerCertificate =>
  ({
    subject: { CN: "bob", O: ["operator", "other", "viewer"] },
    fingerprint256: "AB:CD:EF",
    valid_from: "Nov 22 00:00:00 2026 GMT",
    valid_to: "Nov 23 00:00:00 2026 GMT",
    ext_key_usage: ["1.3.6.1.5.5.7.3.2"],
    ...changes,
  }) as unknown as PeerCertificate;

const noon = Date.parse("2026-11-22T12:00:00Z");

describe("a certificate", () => {
  test("names its user and those of his roles that are known", () => {
    expect(readPeer(certificate())).toEqual({
      identity: { user: "bob", roles: ["operator", "viewer"], fingerprint: "abcdef" },
      notBefore: Date.parse("2026-11-22T00:00:00Z"),
      notAfter: Date.parse("2026-11-23T00:00:00Z"),
      clientAuth: true,
    });
    expect(readPeer(certificate({ subject: { CN: "eve", O: "admin" } }))?.identity.roles).toEqual(["admin"]);
    expect(readPeer(certificate({ subject: { CN: "eve" } }))?.identity.roles).toEqual([]);
  });

  test.each([
    ["none", undefined],
    ["an empty one, as TLS stacks show none", {} as PeerCertificate],
    ["two users", certificate({ subject: { CN: ["bob", "admin"] } })],
    ["no user", certificate({ subject: { O: "admin" } })],
    ["an empty user", certificate({ subject: { CN: "" } })],
  ])("is nobody's with %s", (_, given) => {
    expect(readPeer(given)).toBeUndefined();
    expect(refusal(readPeer(given), noon, () => false)?.code).toBe("UNAUTHENTICATED");
  });

  test.each([
    ["valid", {}, undefined],
    ["expired", { valid_to: "Nov 22 11:59:59 2026 GMT" }, "has expired"],
    ["not yet valid", { valid_from: "Nov 22 12:00:01 2026 GMT" }, "is not valid yet"],
    ["of an unreadable date", { valid_to: "soon" }, "has expired"],
    ["for servers", { ext_key_usage: ["1.3.6.1.5.5.7.3.1"] }, "is not for clients"],
    ["without a purpose", { ext_key_usage: undefined }, "is not for clients"],
    ["revoked", { fingerprint256: "00:11" }, "is revoked"],
  ])("that is %s", (_, changes, why) => {
    const refused = refusal(readPeer(certificate(changes)), noon, (fingerprint) => fingerprint === "0011");
    expect(refused?.fields.detail).toBe(why === undefined ? (undefined as never) : `the certificate of bob ${why}`);
  });
});

describe("roles", () => {
  const reads: Action[] = ["jobs.get", "jobs.list", "jobs.watch", "jobs.wait", "events.watch", "host.get"];
  const writes: Action[] = ["jobs.create", "jobs.stop", "jobs.signal", "jobs.delete"];

  test.each([
    ["admin", true, true],
    ["operator", true, true],
    ["viewer", true, false],
  ] as const)("%s reads: %p, writes: %p", (role, read, write) => {
    for (const action of reads) expect(allowsAction(who("x", role), action).allowed).toBe(read);
    for (const action of writes) expect(allowsAction(who("x", role), action).allowed).toBe(write);
  });

  test("without a role there is only the daemon's health and its document", () => {
    for (const action of [...reads, ...writes])
      expect(allowsAction(who("x"), action)).toMatchObject({ allowed: false, code: "PERMISSION_DENIED" });
    expect(allowsAction(who("x"), "health.get").allowed).toBe(true);
    expect(allowsAction(who("x"), "openapi.get").allowed).toBe(true);
  });

  test("what relaxes the sandbox or reaches into the host is for admins, each with what one can do instead", () => {
    const spec = JobSpecSchema.parse({
      command: ["x"],
      security: { profile: "dev", share: ["net"] },
      mounts: [{ type: "bind", source: "/etc", target: "/tmp/x" }],
    });
    expect(allowsSpec(who("x", "admin"), spec).allowed).toBe(true);
    expect(allowsSpec(who("x", "operator"), spec)).toEqual({
      allowed: false,
      code: "PERMISSION_DENIED",
      detail: "3 fields need the role admin",
      hint: "leave it out, or ask for a certificate with: tele cert issue NAME --role admin",
      faults: [
        { pointer: "/security/profile", detail: "needs the role admin; strict and default do not" },
        {
          pointer: "/security/share",
          detail: "needs the role admin; without it every namespace is the job's own",
        },
        {
          pointer: "/mounts/0",
          detail: "needs the role admin; a tmpfs does not, and the host's tree can be read without a bind mount",
        },
      ],
    });
    expect(allowsSpec(who("x", "operator"), JobSpecSchema.parse({ command: ["x"] })).allowed).toBe(true);
  });

  test("jobs are seen by their owner and by admins", () => {
    expect(maySee(who("bob", "operator"), "bob")).toBe(true);
    expect(maySee(who("eve", "operator", "viewer"), "bob")).toBe(false);
    expect(maySee(who("root", "admin"), "bob")).toBe(true);
    expect([listScope(who("bob", "viewer")), listScope(who("root", "admin"))]).toEqual(["bob", undefined]);
  });
});

describe("the audit log", () => {
  const entry = { method: "GET", resource: "/v1/jobs/a\n", decision: "allowed", code: "OK", remote: "::1" } as const;

  test("is one line of JSON each, whatever the client wrote", () => {
    let lines = "";
    const audit = createAudit({ write: (more) => void (lines += more), clock: () => noon });
    audit.record({ ...entry, who: who('b"ob\n', "operator") });
    audit.record({ ...entry, who: undefined, decision: "denied", code: "UNAUTHENTICATED" });
    audit.flush();
    const [first, second, rest] = lines.split("\n");
    expect(rest).toBe("");
    expect(JSON.parse(first ?? "")).toEqual({
      time: "2026-11-22T12:00:00.000Z",
      user: 'b"ob\n',
      roles: ["operator"],
      fingerprint: "ab".repeat(32),
      method: "GET",
      resource: "/v1/jobs/a\n",
      decision: "allowed",
      code: "OK",
      remote: "::1",
    });
    expect(JSON.parse(second ?? "")).toMatchObject({ user: null, decision: "denied", code: "UNAUTHENTICATED" });
  });

  test("writes in batches, in order, by itself", async () => {
    const batches: string[] = [];
    await new Promise<void>((resolve) => {
      const audit = createAudit({
        write(lines) {
          batches.push(lines);
          if (lines.includes("/last")) resolve();
        },
      });
      for (let i = 0; i < 2000; i++) audit.record({ ...entry, resource: `/${i}`, who: who("bob") });
      audit.record({ ...entry, resource: "/last", who: who("bob") });
    });
    const resources = batches
      .join("")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).resource);
    expect(resources).toEqual([...Array.from({ length: 2000 }, (_, i) => `/${i}`), "/last"]);
    expect(batches.length).toBeLessThan(20);
  });
});
