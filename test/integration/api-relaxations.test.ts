// Over HTTP: who may ask for a laxer sandbox, what the audit log says of it, and that the OpenAPI document shows the fields.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { HARDENING_NAMES } from "#spec/job.ts";
import { type ApiServer, startApiServer } from "#test/support/api-server.ts";
import { need } from "#test/support/needs.ts";

let api: ApiServer;
beforeAll(async () => {
  need("curl", "openssl");
  api = await startApiServer();
});
afterAll(() => api.close());

const LAX = {
  command: ["/bin/true"],
  security: { userns: "host", capAdd: ["KILL"] },
  mounts: [
    { type: "tmpfs", target: "/tmp/a" },
    { type: "bind", source: "/etc", target: "/tmp/b" },
  ],
};
const send = (user: "admin" | "bob", body: object, ...more: string[]) =>
  api.curl(api.users[user], "/v1/jobs", "-d", JSON.stringify(body), ...more);

test("a relaxed sandbox is refused to an operator, every field at once, before anything starts", async () => {
  const { status, json } = await send("bob", LAX);
  expect(status).toBe(403);
  expect(json()).toMatchObject({
    type: "urn:tele:problem:PERMISSION_DENIED",
    detail: "3 fields need the role admin",
    hint: expect.stringContaining("--role admin"),
    faults: [{ pointer: "/security/userns" }, { pointer: "/security/capAdd" }, { pointer: "/mounts/1" }],
  });
  expect((await api.curl(api.users.bob, "/v1/jobs")).json().jobs).toEqual([]);
});

test("it is a decision of its own on the audit log, and a repeated request gets it again", async () => {
  await send("bob", LAX, "-H", "idempotency-key: lax");
  expect((await send("bob", LAX, "-H", "idempotency-key: lax")).status).toBe(403);
  expect(api.audit().slice(-2)).toMatchObject([
    { user: "bob", method: "POST", resource: "/v1/jobs", decision: "allowed", code: "OK" },
    { user: "bob", method: "POST", resource: "/v1/jobs", decision: "denied", code: "PERMISSION_DENIED" },
  ]);
});

test("an admin may, and an operator may tighten", async () => {
  expect((await send("admin", LAX)).status).toBe(201);
  const tight = { command: ["/bin/true"], security: { profile: "strict", read: ["/usr"], reportDenied: true } };
  const { status, json } = await send("bob", tight);
  expect(status).toBe(201);
  expect(json().spec.security).toEqual(tight.security);
});

test("the OpenAPI document shows the fields of the sandbox, of what holds it and of what was denied", async () => {
  const { components } = (await api.curl(api.users.bob, "/openapi.json")).json();
  const { JobSpec, Enforced, EndRecord, Job } = components.schemas;
  expect(Object.keys(JobSpec.properties)).toEqual(
    expect.arrayContaining(["security", "mounts", "root", "ulimits", "clearEnv"]),
  );
  expect(Object.keys(JobSpec.properties.security.properties)).toEqual(
    expect.arrayContaining(["profile", "userns", "capAdd", "capDrop", "seccomp", "read", "write", "share", "clock"]),
  );
  expect(Object.keys(Enforced.properties)).toEqual(expect.arrayContaining([...HARDENING_NAMES]));
  expect(Enforced.required).not.toContain("seccomp");
  expect(EndRecord.properties.deniedCalls.type).toBe("array");
  expect(Job.properties.userns.properties).toHaveProperty("start");
});
