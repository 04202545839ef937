// Kept tethers: found again for the very same words and circumstances, and for nothing else.
import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  circumstances,
  findTether,
  keepTether,
  keptDirectory,
  type Making,
  makingText,
} from "#runtime/foreground/kept.ts";

const folder = mkdtempSync(join(tmpdir(), "tele-kept-"));
const directory = join(folder, "a/b");
afterAll(() => rmSync(folder, { recursive: true }));

const here = circumstances({ HOME: "/root" });
const making: Making = { words: ["-e", "A=1"], name: "true", terminal: undefined, firstId: 5 };
const text = makingText(here, making);
const kept = { tether: Uint8Array.of(1, 2, 3), namespaces: 0x2002_0000 };

test("nothing is found before it is kept", () => {
  expect(findTether(text, directory)).toBeUndefined();
});

test("what was kept is found, in files of ours alone", () => {
  keepTether(text, directory, kept);
  expect(findTether(text, directory)).toEqual(kept);
  const [name = "", ...more] = readdirSync(directory);
  expect(more).toEqual([]);
  expect([statSync(directory).mode & 0o777, statSync(join(directory, name)).mode & 0o777]).toEqual([0o700, 0o600]);
});

for (const [what, other] of [
  ["other words", { ...making, words: ["-e", "A=2"] }],
  ["the same words, cut otherwise", { ...making, words: ["-e A=1"] }],
  ["another program", { ...making, name: "false" }],
  ["a terminal", { ...making, terminal: "dumb" }],
  ["other ids", { ...making, firstId: 6 }],
] as const)
  test(`${what} are another text`, () => {
    expect(makingText(here, other)).not.toBe(text);
    expect(findTether(makingText(here, other), directory)).toBeUndefined();
  });

test("other places of ours, other limits are other circumstances", () => {
  for (const name of ["HOME", "TELE_CONFIG_DIR", "TELE_STATE_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME"])
    expect(circumstances({ HOME: "/root", [name]: "/elsewhere" }).text).not.toBe(here.text);
  expect(circumstances({ HOME: "/root", OTHER: "x" })).toEqual(here);
});

test("a file that was cut, or is another's text, is as if there were none", () => {
  const [name = ""] = readdirSync(directory);
  const file = join(directory, name);
  const whole = readFileSync(file);
  truncateSync(file, whole.length - 1);
  expect(findTether(text, directory)).toBeUndefined();
  writeFileSync(file, "x");
  expect(findTether(text, directory)).toBeUndefined();
  const changed = Buffer.from(whole);
  changed[20] = (changed[20] ?? 0) ^ 1;
  writeFileSync(file, changed);
  expect(findTether(text, directory)).toBeUndefined();
  keepTether(text, directory, kept);
  expect(findTether(text, directory)).toEqual(kept);
});

test("there are never more files than fit", () => {
  for (let index = 0; index < 400; index++)
    keepTether(makingText(here, { ...making, name: `program-${index}` }), directory, kept);
  expect(readdirSync(directory).length).toBeLessThanOrEqual(256);
});

test("where nothing can be kept, nothing is said", () => {
  writeFileSync(join(folder, "file"), "");
  keepTether(text, join(folder, "file/a/b"), kept);
  expect(findTether(text, join(folder, "file/a/b"))).toBeUndefined();
  chmodSync(join(folder, "file"), 0o600);
});

test("root keeps them where only root writes; others in their own places", () => {
  expect(keptDirectory({ text: "", isRoot: true }, { HOME: "/x", XDG_RUNTIME_DIR: "/y" })).toBe("/run/tele/tethers");
  const user = { text: "", isRoot: false };
  expect(keptDirectory(user, { HOME: "/x", XDG_RUNTIME_DIR: "/y", XDG_CACHE_HOME: "/z" })).toBe("/y/tele/tethers");
  expect(keptDirectory(user, { HOME: "/x", XDG_CACHE_HOME: "/z" })).toBe("/z/tele/tethers");
  expect(keptDirectory(user, { HOME: "/x" })).toBe("/x/.cache/tele/tethers");
  expect(keptDirectory(user, { HOME: "x" })).toBeUndefined();
});
