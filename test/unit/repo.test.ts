// Habits of the whole project that no compiler checks.
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { VERSION } from "#version";
import { filesBelow, projectRoot, textOf, withoutComments } from "#test/support/sources.ts";

const code = filesBelow(["src", "ffi", "certs-tool", "test", ".dev"]);
const text = [
  ...filesBelow(["src", "ffi", "certs-tool", "test", ".dev", ".ci"], ""),
  ...filesBelow(["."], ".json").filter((file) => !file.includes("/") && file !== "package-lock.json"),
  ...filesBelow(["."], ".md").filter((file) => !file.includes("/")),
];

/** Each line of the files that the pattern matches, as `file:line: match`. */
function found(files: readonly string[], pattern: RegExp, read: (file: string) => string = textOf): string[] {
  return files.flatMap((file) =>
    read(file)
      .split("\n")
      .flatMap((line, index) => {
        const match = pattern.exec(line)?.[0];
        return match === undefined ? [] : [`${file}:${index + 1}: ${match}`];
      }),
  );
}

test("the version is the same in package.json, its lockfile and src/version.ts", () => {
  expect(JSON.parse(textOf("package.json")).version).toBe(VERSION);
  expect(JSON.parse(textOf("package-lock.json")).version).toBe(VERSION);
});

test("every dependency is an exact version", () => {
  const { dependencies, devDependencies } = JSON.parse(textOf("package.json")) as Record<
    string,
    Record<string, string>
  >;
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(([, at]) => !/^\d+\.\d+\.\d+$/.test(at));
  expect(loose).toEqual([]);
});

test("the lockfile names no registry, and has a checksum for each package", () => {
  const { packages } = JSON.parse(textOf("package-lock.json")) as {
    packages: Record<string, { integrity?: string; resolved?: string }>;
  };
  const entries = Object.entries(packages).filter(([name]) => name !== "");
  expect(entries.length).toBeGreaterThan(10);
  expect(entries.filter(([, entry]) => entry.resolved !== undefined).map(([name]) => name)).toEqual([]);
  expect(entries.filter(([, entry]) => !entry.integrity?.startsWith("sha512-")).map(([name]) => name)).toEqual([]);
  expect(found(["package-lock.json"], /https?:\/\/[^"]*\.tgz/)).toEqual([]);
});

test("no file names a folder of the machine it was written on", () => {
  const folders = [projectRoot, homedir()].filter((folder) => folder.split("/").length > 2);
  const escaped = folders.map((folder) => folder.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (escaped.length > 0) expect(found(text, new RegExp(escaped.join("|")))).toEqual([]);
});

test("Bun's own API stays behind the seam", () => {
  const portable = code.filter((file) => /^(src|ffi|certs-tool)\//.test(file) && !file.startsWith("ffi/native/"));
  expect(found(portable, /\bBun\.\w+/, (file) => withoutComments(textOf(file)))).toEqual([]);
});

test("no test is skipped, focused or left to be written", () => {
  const tests = code.filter((file) => file.endsWith(".test.ts"));
  expect(
    found(tests, new RegExp(`\\b(?:test|it|describe)\\.(?:${["skip", "only", "todo", "failing"].join("|")})\\w*\\(`)),
  ).toEqual([]);
});

test("no work is left for later", () => {
  // Each word in two halves, so that this file does not find itself.
  const words = ["TO DO", "FIX ME", "\\bX XX\\b", "HA CK\\b", "for\\s no w\\b"].map((word) => word.replaceAll(" ", ""));
  expect(found(text, new RegExp(words.join("|")))).toEqual([]);
});

test("no source is longer than 300 lines, no test than 400", () => {
  const long = code
    .map((file) => ({ file, lines: textOf(file).split("\n").length }))
    .filter(({ file, lines }) => lines > (file.endsWith(".test.ts") ? 400 : 300));
  expect(long).toEqual([]);
});

test("every script of package.json names a file that is there", () => {
  const { scripts } = JSON.parse(textOf("package.json")) as { scripts: Record<string, string> };
  expect(Object.keys(scripts).sort()).toEqual(["bench", "build", "format", "ok", "quickstart", "test"]);
  for (const file of Object.values(scripts).flatMap((line) => line.match(/\.dev\/\S+/g) ?? [])) {
    expect(statSync(join(projectRoot, file)).isFile()).toBe(true);
  }
});
