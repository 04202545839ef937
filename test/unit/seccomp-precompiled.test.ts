// The programs that are kept in the source are what their filters compile to. Written anew by UPDATE_GOLDEN=1.
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "#ffi/syscalls.ts";
import { compile, compileAnew } from "#program/seccomp/compile.ts";
import type { Filter } from "#program/seccomp/filter.ts";
import { filterFor } from "#program/seccomp/policy-filter.ts";
import { TETHER_FILTER } from "#program/seccomp/tether.ts";
import type { Profile } from "#spec/security.ts";
import { policyOf } from "#spec/policy.ts";
import { projectRoot } from "#test/support/sources.ts";

const file = join(projectRoot, "src/program/seccomp/precompiled.ts");
const ARCHITECTURES: readonly Architecture[] = ["x86_64", "aarch64"];

/** What a start needs where nobody asks for capabilities. */
const kept: Readonly<Record<string, Filter>> = {
  tether: TETHER_FILTER,
  strict: ofProfile("strict"),
  default: ofProfile("default"),
  // With the capabilities of docker's that open calls.
  "dev NET_RAW SYS_CHROOT": ofProfile("dev"),
};

function ofProfile(profile: Profile): Filter {
  const filter = filterFor(policyOf({ security: { profile } }));
  if (!filter) throw new Error(`the profile ${profile} has no filter`);
  return filter;
}

function source(): string {
  const entry = ([name, filter]: [string, Filter]): string =>
    `  ${/\W/.test(name) ? JSON.stringify(name) : name}: {\n${ARCHITECTURES.map((one) => `    ${one}: \`\n${lines(compileAnew(filter, one))}\`,\n`).join("")}  },\n`;
  return `/**
 * Programs of the filters that most starts use, as base64: to compile one takes longer than all else that a start does
 * in its process. Written by \`UPDATE_GOLDEN=1 bun test test/unit/seccomp-precompiled.test.ts\`, which also compares.
 */
import type { Architecture } from "#ffi/syscalls.ts";

export const PRECOMPILED: Readonly<Record<string, Readonly<Record<Architecture, string>>>> = {
${Object.entries(kept).map(entry).join("")}};
`;
}

const lines = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString("base64")
    .replace(/.{1,112}/g, "      $&\n");

test("the source holds what the filters compile to", () => {
  if (process.env["UPDATE_GOLDEN"]) writeFileSync(file, source());
  expect(readFileSync(file, "utf8")).toBe(source());
});

test("each of them is what compile answers for its filter, and for no other", () => {
  for (const architecture of ARCHITECTURES) {
    const programs = Object.values(kept).map((filter) => {
      const program = compile(filter, architecture);
      expect(program).toEqual(compileAnew(filter, architecture));
      expect(compile(filter, architecture)).toBe(program);
      return Buffer.from(program).toString("base64");
    });
    expect(new Set(programs).size).toBe(programs.length);
    const changed: Filter = { ...TETHER_FILTER, default: "ALLOW" };
    expect(compile(changed, architecture)).not.toEqual(compile(TETHER_FILTER, architecture));
  }
});
