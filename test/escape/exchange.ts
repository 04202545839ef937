/** A directory that changes places with a link, over and over, while something else happens: what races on paths are made of. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { symlinkSync, unlinkSync } from "node:fs";
import type { Built } from "./build.ts";

/** How often `path` and a link to `to` (`PATH-other`) changed places while `body` ran; afterwards the link is gone. */
export async function exchanging(built: Built, path: string, to: string, body: () => Promise<void>): Promise<number> {
  const other = `${path}-other`;
  symlinkSync(to, other);
  const child = spawn(built.exchange, [path, other], { stdio: ["pipe", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  const closed = once(child, "close");
  try {
    await once(child.stdout, "data");
    await body();
  } finally {
    child.stdin.end();
    await closed;
    unlinkSync(other);
  }
  return Number(text.trim().split("\n").at(-1));
}
