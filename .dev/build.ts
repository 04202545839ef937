// Builds dist/tele: one file for a machine with glibc and nothing else.
//
//   npm run build                        dist/tele for this machine
//   npm run build -- --target arm64      dist/tele-arm64 (or x64) on any machine, from that machine's Bun out of npm
//   npm run build -- --out FILE
//
// The pump's worker is a second entry point. The common root of both entry points is src/, so in the binary it is
// `file:///$bunfs/root/runtime/pump/worker.ts`, while `import.meta.url` of every bundled module is directly below
// `file:///$bunfs/root/`. The form that works from source (Bun, Deno, Node) and compiled is therefore, in any folder:
//   const compiled = import.meta.url.startsWith("file:///$bunfs/");
//   new Worker(new URL(compiled ? "/$bunfs/root/runtime/pump/worker.ts" : "./worker.ts", import.meta.url))
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

const root = resolve(import.meta.dirname, "..");
const entries = ["src/main.ts", "src/runtime/pump/worker.ts"];
const packages = { x64: "@oven/bun-linux-x64", arm64: "@oven/bun-linux-aarch64" } as const;
type Target = keyof typeof packages;

const { values } = parseArgs({ options: { target: { type: "string" }, out: { type: "string" } } });
const here = process.arch as Target;
const target = { aarch64: "arm64", x86_64: "x64" }[values.target ?? here] ?? values.target ?? here;
if (!(target in packages)) fail(`no such target: ${target} (there are x64 and arm64)`);
const out = resolve(root, values.out ?? (target === here ? "dist/tele" : `dist/tele-${target}`));

const started = performance.now();
const flags = [
  "--compile",
  "--minify",
  // What is imported lazily is also loaded lazily: `tele --version` does not read the server's code.
  "--splitting",
  // Parsing is half of the start: bytecode takes a hello of this size from 14 to 8 ms.
  "--bytecode",
  "--format=esm",
  // The binary must not obey files of the directory it is started in.
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-dotenv",
  // The binary reaches the kernel through bun:ffi: no addon to unpack.
  "--external=koffi",
  `--target=bun-linux-${target}`,
  `--compile-executable-path=${runtimeOf(target as Target)}`,
];
mkdirSync(dirname(out), { recursive: true });
// Bun writes where it is told and a running binary cannot be overwritten: build beside it, then rename.
const scratch = mkdtempSync(join(dirname(out), ".build-"));
try {
  const made = spawnSync(process.execPath, ["build", ...flags, ...entries, "--outfile", join(scratch, "tele")], {
    cwd: root,
    encoding: "utf8",
  });
  if (made.status !== 0) fail(`bun build failed\n${made.stdout}${made.stderr}`);
  renameSync(join(scratch, "tele"), out);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const megabytes = (statSync(out).size / 1e6).toFixed(1);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`${relative(root, out)}: ${megabytes} MB, linux ${target}, ${seconds} s`);

/** The Bun executable to append the program to: out of node_modules, or for another machine out of npm's own package. */
function runtimeOf(wanted: Target): string {
  if (wanted === here) return process.execPath;
  const name = packages[wanted];
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages[`node_modules/${name}`];
  const folder = join(root, "node_modules/.cache/tele", `${name.split("/")[1]}-${lock.version}`);
  const binary = join(folder, "package/bin/bun");
  if (existsSync(binary)) return binary;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const packed = spawnSync("npm", ["pack", `${name}@${lock.version}`, "--silent", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  if (packed.status !== 0) fail(`npm pack ${name} failed: ${packed.stderr}`);
  const archive = join(folder, packed.stdout.trim());
  const digest = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
  if (digest !== lock.integrity) fail(`${name}@${lock.version} is not what package-lock.json says: ${digest}`);
  const unpacked = spawnSync("tar", ["-xzf", archive, "-C", folder], { encoding: "utf8" });
  rmSync(archive);
  if (unpacked.status !== 0) fail(`tar failed: ${unpacked.stderr}`);
  return binary;
}

function fail(why: string): never {
  console.error(`build: ${why}`);
  process.exit(1);
}
