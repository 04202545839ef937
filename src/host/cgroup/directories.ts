/** Directories of cgroups: walking, making and removing them. Nothing here ever moves or kills a process. */
import { mkdirSync, readdirSync, rmdirSync, existsSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, readKernelFile } from "./kernel-file.ts";

/** Pids directly in a cgroup, without those of its children. */
export function processesIn(directory: string): number[] {
  const text = readKernelFile(`${directory}/cgroup.procs`) ?? "";
  return text.split("\n").filter(Boolean).map(Number);
}

/** Names of the cgroups directly below one. */
export function directoriesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []));
  } catch {
    return [];
  }
}

/** The directories from `top` down to `leaf`, both included. */
export function between(top: string, leaf: string): string[] {
  const chain = [leaf];
  for (let at = leaf; at !== top && at.length > top.length; ) chain.unshift((at = dirname(at)));
  return chain;
}

/** Makes what is missing below `top`, which must exist; the deepest one is ours to remove even when it was there. */
export function makeDirectories(top: string, path: string, undo: (() => void)[]): string | undefined {
  for (const directory of between(top, path).slice(1)) {
    const missing = !existsSync(directory);
    const errno = makeDirectory(directory);
    if (errno !== undefined) return errno;
    if (missing || directory === path) undo.push(() => removeDirectory(directory));
  }
  return undefined;
}

/** Makes one directory; the errno when it cannot. One that exists is as good. */
export function makeDirectory(path: string): string | undefined {
  try {
    mkdirSync(path);
    return undefined;
  } catch (error) {
    const errno = errnoOf(error);
    return errno === "EEXIST" ? undefined : errno;
  }
}

/** rmdir(2) of a cgroup works only when it is empty, so it can hurt nobody; a failure leaves it to its users. */
export function removeDirectory(path: string): void {
  try {
    rmdirSync(path);
  } catch {}
}
