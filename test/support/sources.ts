/** The project's own files, for tests that read them. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

/** The folder of the project. */
export const projectRoot = resolve(import.meta.dirname, "../..");

/** Every file below these folders whose name ends so, as paths from the project's root, sorted. */
export function filesBelow(folders: readonly string[], ending = ".ts"): string[] {
  return folders
    .flatMap((folder) => readdirSync(join(projectRoot, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(projectRoot, join(entry.parentPath, entry.name)))
    .filter((file) => !file.split("/").includes("node_modules"))
    .sort();
}

/** The text of a file named from the project's root. */
export function textOf(file: string): string {
  return readFileSync(join(projectRoot, file), "utf8");
}

/** The source with comments blanked out, line by line the same length of lines, strings kept. */
export function withoutComments(source: string): string {
  const token = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return source.replace(token, (text) => (text.startsWith("/") ? text.replace(/[^\n]/g, " ") : text));
}

/** Each module that a source names in an import, an export … from, an import() or an import type, with its line. */
export function importsOf(source: string): { specifier: string; line: number }[] {
  const code = withoutComments(source);
  const names = /(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"'\n]+)\1/g;
  return [...code.matchAll(names)].map((match) => ({
    specifier: match[2] ?? "",
    line: code.slice(0, match.index).split("\n").length,
  }));
}
