/** What the sources of bind mounts are. */
import { statSync } from "node:fs";
import type { Mount } from "#spec/mounts.ts";

/** The sources that are there and no directories: their places in the job's root are files. */
export function fileSources(mounts: readonly Mount[]): string[] {
  return mounts.flatMap((mount) => {
    if (mount.type !== "bind") return [];
    const found = statSync(mount.source, { throwIfNoEntry: false });
    return found && !found.isDirectory() ? [mount.source] : [];
  });
}
