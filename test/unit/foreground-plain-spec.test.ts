// A spec without the schema is the schema's own, or none.
import { expect, test } from "bun:test";
import { plainSpec } from "#runtime/foreground/plain-spec.ts";
import { type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";

const plain: JobSpecInput[] = [
  { command: ["true"] },
  { command: ["/bin/echo", "", "a b", "ä€😀"], env: { A: "1", B: "" } },
  { command: ["env"], env: {}, clearEnv: true },
  { command: ["env"], env: { PATH: "" } },
  { command: ["make"], workdir: "/srv/a b", user: "33:44", timeout: "1.5h" },
  { command: ["make"], timeout: "250ms", user: "7" },
  {
    command: ["make"],
    mounts: [
      { type: "bind", source: "/srv/x", target: "/tmp/x", readOnly: true },
      { type: "bind", source: "/srv/..", target: "/tmp/y" },
    ],
  },
];

for (const asked of plain)
  test(`${JSON.stringify(asked)} is what the schema makes of it`, () => {
    expect(plainSpec(asked)).toEqual(JobSpecSchema.parse(asked));
  });

const others: [string, JobSpecInput][] = [
  ["no command", { command: [] }],
  ["an empty name", { command: [""] }],
  ["a NUL", { command: ["a\0b"] }],
  ["a variable without a name", { command: ["true"], env: { "": "x" } }],
  ["a variable with =", { command: ["true"], env: { "A=B": "x" } }],
  ["a long argument", { command: ["true", "x".repeat(70_000)] }],
  ["a limit", { command: ["true"], limits: {} }],
  ["a profile", { command: ["true"], security: { profile: "strict" } }],
  ["a relative working directory", { command: ["true"], workdir: "x" }],
  ["a user's name", { command: ["true"], user: "nobody" }],
  ["no time at all", { command: ["true"], timeout: "0s" }],
  ["an odd time", { command: ["true"], timeout: "soon" }],
  ["a target above the root", { command: ["true"], mounts: [{ type: "bind", source: "/a", target: "/tmp/../.." }] }],
  ["a relative source", { command: ["true"], mounts: [{ type: "bind", source: "a", target: "/tmp/a" }] }],
  ["a tmpfs", { command: ["true"], mounts: [{ type: "tmpfs", target: "/tmp/a" }] }],
];

for (const [name, asked] of others)
  test(`${name} is for the schema`, () => {
    expect(plainSpec(asked)).toBeUndefined();
  });
