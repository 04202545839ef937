// Who may import whom: main → cli → api → runtime → {host → ffi, program → ffi/{abi,asm,syscalls}} → spec, errors, hints.
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { filesBelow, importsOf, projectRoot, textOf, withoutComments } from "#test/support/sources.ts";

const ground = ["errors", "hints", "version"];
const machine = ["host", "ffi", "program", "spec", ...ground];

/** For each layer what it may import besides itself; a name with a slash is a part of a layer. */
const rule: Record<string, string[]> = {
  main: ["cli", "api", "runtime", ...machine],
  cli: ["api", "runtime", "certs", ...machine],
  // Pure parsers of certificates and profiles only; the tool itself is the CLI's.
  api: ["runtime", "certs", ...machine],
  runtime: machine,
  host: ["ffi", "spec", ...ground],
  // The assembler is as pure as the tables: from a program to bytes nothing of the machine is touched.
  program: ["ffi/abi", "ffi/asm", "ffi/syscalls", "spec", ...ground],
  ffi: ["spec", ...ground],
  spec: ground,
  errors: [],
  hints: ["errors"],
  version: [],
  certs: [],
  test: ["main", "cli", "api", "runtime", "certs", ...machine],
};

const aliases = JSON.parse(textOf("package.json")).imports as Record<string, string>;
const sources = filesBelow(["src", "ffi", "certs-tool", "test"]);

/** `src/cli/render.ts` → `cli`, `src/main.ts` → `main`, `certs-tool/files.ts` → `certs`. */
function layerOf(file: string): string {
  const [top = "", second = ""] = file.split("/");
  if (top === "certs-tool") return "certs";
  return top === "src" ? second.replace(/\.ts$/, "") : top;
}

/** The project file that an alias or a relative import names; undefined for a package. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return join(dirname(file), specifier);
  if (!specifier.startsWith("#")) return undefined;
  if (aliases[specifier] !== undefined) return join(aliases[specifier]);
  const [head = "", ...rest] = specifier.split("/");
  return join((aliases[`${head}/*`] ?? "nowhere/*").replace("*", rest.join("/")));
}

/** What is wrong with an import, or undefined. */
function fault(file: string, specifier: string): string | undefined {
  const from = layerOf(file);
  const target = targetOf(file, specifier);
  if (target === undefined) {
    const isBun = specifier === "bun" || specifier.startsWith("bun:");
    if (isBun && from !== "test" && !file.startsWith("ffi/native/"))
      return "bun's modules are for ffi/native/ and tests";
    return undefined;
  }
  if (!existsSync(join(projectRoot, target))) return "there is no such file";
  const to = layerOf(target);
  if (specifier.startsWith(".") && from !== to) return "crossing a folder uses its #alias";
  if (from === to) return undefined;
  const allowed = rule[from];
  if (allowed === undefined) return `the rule does not know the folder ${from}`;
  const part = target.split("/").slice(0, 2).join("/").replace(/\.ts$/, "");
  return allowed.includes(to) || allowed.includes(part) ? undefined : `${from} may not import ${to}`;
}

test("every import goes down the layers, by alias when it leaves its folder", () => {
  const faults = sources.flatMap((file) =>
    importsOf(textOf(file)).flatMap(({ specifier, line }) => {
      const why = fault(file, specifier);
      return why === undefined ? [] : [`${file}:${line}: ${specifier}: ${why}`];
    }),
  );
  expect(faults).toEqual([]);
});

test("program/ and spec/ are pure: no files, no process, no clock, no environment", () => {
  const pure = new Set(["node:buffer", "node:path/posix", "node:util"]);
  const impure = /\b(?:process\.\w+|Date\.now\(|new Date\(\)|performance\.now\(|Math\.random\()/;
  const faults = sources.flatMap((file) => {
    if (!/^src\/(program|spec)\//.test(file)) return [];
    const source = textOf(file);
    const modules = importsOf(source).filter(({ specifier }) => specifier.startsWith("node:") && !pure.has(specifier));
    const found = modules.map(({ specifier, line }) => `${file}:${line}: ${specifier}`);
    const word = impure.exec(withoutComments(source))?.[0];
    return word === undefined ? found : [...found, `${file}: ${word}`];
  });
  expect(faults).toEqual([]);
});

test("the rule is able to say no", () => {
  expect(fault("src/program/step.ts", "#ffi/call.ts") ?? "").toMatch(/may not import ffi|no such file/);
  expect(fault("src/spec/job.ts", "../version.ts")).toBe("crossing a folder uses its #alias");
  expect(fault("certs-tool/main.ts", "#version")).toBe("certs may not import version");
  expect(fault("src/spec/job.ts", "bun:sqlite")).toContain("ffi/native");
  expect(fault("src/spec/job.ts", "#errors")).toBeUndefined();
});

test("the scanner finds every form of import and no comment", () => {
  const source = [
    'import { a } from "one";',
    "import type {\n  b,\n} from 'two';",
    'import "three";',
    'export * from "four";',
    'const c = await import("five");',
    'type D = typeof import("six");',
    '// import "not";',
    '/* from "neither" */',
    'const url = "https://example.org"; import("seven");',
  ].join("\n");
  expect(importsOf(source).map((found) => found.specifier)).toEqual([
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
  ]);
  expect(importsOf(source)[1]?.line).toBe(4);
});
