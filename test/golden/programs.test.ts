// Whole programs, reviewed like code: a change of what a sandbox does shows here, line by line.
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plan } from "#program/compose.ts";
import { listing } from "#program/listing.ts";
import { INPUTS } from "./inputs.ts";

const update = process.env["UPDATE_GOLDEN"] === "1";
const fileOf = (name: string): string => join(import.meta.dirname, `${name}.txt`);

/** Lines that one text has and the other has not, with their numbers: what `diff` would show first. */
function difference(golden: string, now: string): string[] {
  const [before, after] = [golden.split("\n"), now.split("\n")];
  const missing = before.flatMap((line, index) => (after.includes(line) ? [] : [`- ${index + 1}: ${line}`]));
  const added = after.flatMap((line, index) => (before.includes(line) ? [] : [`+ ${index + 1}: ${line}`]));
  const moved = before.findIndex((line, index) => line !== after[index]);
  return missing.length + added.length > 0 ? [...missing, ...added] : [`the order differs from line ${moved + 1} on`];
}

for (const [name, input] of Object.entries(INPUTS)) {
  test(`the program of ${name} is the one in test/golden/${name}.txt`, () => {
    const now = listing(plan(input));
    if (update) writeFileSync(fileOf(name), now);
    const golden = existsSync(fileOf(name)) ? readFileSync(fileOf(name), "utf8") : "";
    if (golden === now) return;
    throw new Error(
      `the program differs from test/golden/${name}.txt:\n${difference(golden, now).join("\n")}\n\n` +
        "Where the new one is right, write it with `UPDATE_GOLDEN=1 bun test test/golden` and review the change.",
    );
  });
}

test("every golden file has its input", () => {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith(".txt"));
  expect(files.sort()).toEqual(Object.keys(INPUTS).map((name) => `${name}.txt`).sort());
});

test("no line of a listing shows raw bytes", () => {
  for (const input of Object.values(INPUTS)) expect(listing(plan(input))).not.toMatch(/\{[0-9a-f]{8,}\}/);
});
