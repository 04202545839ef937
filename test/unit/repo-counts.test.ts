// The sum that `npm test` prints is made of the runners' own counts.
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { need } from "#test/support/needs.ts";
import { closingLine, countsOfJunit } from "#test/support/reporter.ts";

test("a real report of this runner is counted, and what was skipped counts as failed", () => {
  const folder = mkdtempSync(join(tmpdir(), "tele-counts-"));
  try {
    const skip = ["sk", "ip"].join("");
    const lines = [
      'import { describe, expect, test } from "bun:test";',
      'test("good <one>", () => {});',
      'describe("group", () => { test("good two", () => {}); test("bad", () => expect(1).toBe(2)); });',
      `test.${skip}("left out", () => {});`,
    ];
    writeFileSync(join(folder, "a.test.ts"), lines.join("\n"));
    writeFileSync(join(folder, "b.test.ts"), 'import { test } from "bun:test"; test("good three", () => {});');
    const report = join(folder, "report.xml");
    spawnSync(process.execPath, ["test", "--reporter=junit", `--reporter-outfile=${report}`], { cwd: folder });
    expect(countsOfJunit(readFileSync(report, "utf8"))).toEqual({ passed: 3, failed: 2 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("the last closing line of an output counts", () => {
  expect(closingLine("1 passed, 0 failed\nmore\n12 passed, 3 failed\n")).toEqual({ passed: 12, failed: 3 });
  expect(closingLine("nothing here: 1 passed, 0 failed of many")).toBeUndefined();
});

test("a missing need says what is missing and what to install", () => {
  expect(() => need("no-such-program")).toThrow(/needs no-such-program.*apt-get install no-such-program/);
  expect(() => need("sh")).not.toThrow();
});
