/** The flags that put something into a job's root: bubblewrap's words and docker's make the same mounts. */
import type { Fault } from "#errors";
import { parseSize } from "#spec/quantity.ts";
import type { JobSpecInput } from "#spec/schema.ts";
import type { Flags, Values } from "./command.ts";
import { nearest } from "./nearest.ts";

const FILES = "Files";

export const MOUNT_FLAGS = {
  root: {
    type: "enum",
    options: ["host", "empty"],
    group: FILES,
    description: "The host's tree, read-only (default), or an empty one",
  },
  bind: {
    type: "string",
    pair: true,
    group: FILES,
    valueHint: "SRC[:DEST]",
    description: "Show it a file or directory of the host, writable; also SRC DEST",
    completes: "file",
  },
  "ro-bind": {
    type: "string",
    pair: true,
    group: FILES,
    valueHint: "SRC[:DEST]",
    description: "The same, read-only",
    completes: "file",
  },
  volume: {
    type: "string",
    alias: "v",
    repeat: true,
    group: FILES,
    valueHint: "SRC:DEST[:ro]",
    description: "The same in docker's words",
    completes: "file",
  },
  mount: {
    type: "string",
    repeat: true,
    group: FILES,
    valueHint: "KEY=VALUE,...",
    description: "Also docker's: type=bind,src=SRC,dst=DEST,ro or type=tmpfs,dst=DEST",
  },
  tmpfs: {
    type: "string",
    repeat: true,
    group: FILES,
    valueHint: "DEST[:OPTION,...]",
    description: "An empty directory in memory; options size=SIZE, mode=OCTAL",
  },
  dev: { type: "string", repeat: true, group: FILES, valueHint: "DEST", description: "Its /dev in one more place" },
  proc: { type: "string", repeat: true, group: FILES, valueHint: "DEST", description: "Its /proc in one more place" },
} as const satisfies Flags;

type Mount = NonNullable<JobSpecInput["mounts"]>[number];

/** One mount, and the words of the command line that asked for it. */
export interface MadeMount {
  readonly mount: Mount;
  readonly words: string;
}

/** A word that is not what its flag takes: why, and how to write it. */
class Malformed extends Error {}

/** The mounts that the flags ask for, in an order of their own: the server sorts them by their targets. */
export async function mountsOf(
  flags: Values<typeof MOUNT_FLAGS>,
): Promise<{ readonly made: readonly MadeMount[]; readonly faults: readonly Fault[] }> {
  const made: MadeMount[] = [];
  const faults: Fault[] = [];
  const add = async (flag: string, given: readonly (string | undefined)[], parse: () => Mount | Promise<Mount>) => {
    const words = [flag, ...given].filter((word) => word !== undefined).join(" ");
    try {
      made.push({ words, mount: await parse() });
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      faults.push({ pointer: `${words}:`, detail: error.message });
    }
  };
  for (const given of flags.bind) await add("--bind", given, () => bindOf("--bind", given, false));
  for (const given of flags["ro-bind"]) await add("--ro-bind", given, () => bindOf("--ro-bind", given, true));
  for (const word of flags.volume) await add("--volume", [word], () => volumeOf(word));
  for (const word of flags.mount) await add("--mount", [word], () => mountOf(word));
  for (const word of flags.tmpfs) await add("--tmpfs", [word], () => tmpfsOf(word));
  for (const type of ["dev", "proc"] as const)
    for (const word of flags[type]) await add(`--${type}`, [word], () => ({ type, target: absolute(word) }));
  return { made, faults };
}

function bindOf(flag: string, [first, second]: readonly [string, string?], readOnly: boolean): Mount {
  const parts = second === undefined ? first.split(":") : [first, second];
  if (parts.length > 2) throw new Malformed(`has too many colons; write it in two words, as in: ${flag} SRC DEST`);
  const [source = "", target = source] = parts;
  return { type: "bind", source: absolute(source), target: absolute(target), readOnly };
}

function volumeOf(word: string): Mount {
  const [source = "", target, options = "rw", ...more] = word.split(":");
  if (target === undefined) throw new Malformed("names no place on the host; write SRC:DEST, or use --tmpfs DEST");
  if (more.length > 0) throw new Malformed("has too many colons; use --mount type=bind,src=SRC,dst=DEST");
  if (!source.startsWith("/") && !source.startsWith("."))
    throw new Malformed(
      `${JSON.stringify(source)} is no path, and there are no named volumes; write SRC from the root`,
    );
  const unknown = options.split(",").find((option) => option !== "ro" && option !== "rw");
  if (unknown !== undefined)
    throw new Malformed(`does not know the option ${JSON.stringify(unknown)}; there are ro and rw`);
  const readOnly = options.split(",").includes("ro");
  return { type: "bind", source: absolute(source), target: absolute(target), readOnly };
}

/** Keys of docker's --mount, by the one we use. */
const KEYS: Readonly<Record<string, string>> = {
  type: "type",
  source: "src",
  src: "src",
  target: "dst",
  destination: "dst",
  dst: "dst",
  readonly: "ro",
  ro: "ro",
  "tmpfs-size": "size",
  "tmpfs-mode": "mode",
};

async function mountOf(word: string): Promise<Mount> {
  const given = new Map<string, string>();
  for (const part of word.split(",")) {
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    const key = Object.hasOwn(KEYS, name) ? KEYS[name] : undefined;
    if (key === undefined) {
      const meant = await nearest(name, Object.keys(KEYS));
      throw new Malformed(
        `does not know ${JSON.stringify(name)}; ${meant ? `did you mean ${meant}?` : `there are ${Object.keys(KEYS).join(", ")}`}`,
      );
    }
    given.set(key, at < 0 ? "true" : part.slice(at + 1));
  }
  const type = given.get("type");
  const target = given.get("dst");
  if (target === undefined) throw new Malformed("names no place in the job; add dst=DEST");
  if (type === "tmpfs") {
    if (given.has("src")) throw new Malformed("is a tmpfs, which has no source; leave src out");
    return { type, target: absolute(target), ...sizeOf(given.get("size")), ...modeOf(given.get("mode")) };
  }
  if (type !== "bind") throw new Malformed("must be of type=bind or type=tmpfs; volumes there are none");
  const source = given.get("src");
  if (source === undefined) throw new Malformed("names no place on the host; add src=SRC");
  const ro = given.get("ro") ?? "false";
  if (!["true", "1", "false", "0"].includes(ro)) throw new Malformed(`cannot be ro=${ro}; write only: ro`);
  return { type, source: absolute(source), target: absolute(target), readOnly: ro === "true" || ro === "1" };
}

/** Options that every mount of a job has anyway. */
const ALWAYS = ["rw", "nosuid", "nodev"];

function tmpfsOf(word: string): Mount {
  const at = word.indexOf(":");
  const target = absolute(at < 0 ? word : word.slice(0, at));
  const options = at < 0 ? [] : word.slice(at + 1).split(",");
  let mount: Mount = { type: "tmpfs", target };
  for (const option of options) {
    const [key, value = ""] = option.split("=", 2);
    if (key === "size") mount = { ...mount, ...sizeOf(value) };
    else if (key === "mode") mount = { ...mount, ...modeOf(value) };
    else if (!ALWAYS.includes(option))
      throw new Malformed(`does not know the option ${JSON.stringify(option)}; there are size=SIZE and mode=OCTAL`);
  }
  return mount;
}

function sizeOf(text: string | undefined): { size?: number } {
  if (text === undefined) return {};
  const size = parseSize(text);
  if (size === undefined) throw new Malformed(`has the size ${JSON.stringify(text)}; write bytes, or as in 64Mi`);
  return { size };
}

function modeOf(text: string | undefined): { mode?: number } {
  if (text === undefined) return {};
  if (!/^0?[0-7]{3,4}$/.test(text)) throw new Malformed(`has the mode ${JSON.stringify(text)}; write it as in 1777`);
  return { mode: Number.parseInt(text, 8) };
}

function absolute(path: string): string {
  if (path.startsWith("/")) return path;
  if (path === "") throw new Malformed("has an empty path; write SRC, or SRC:DEST");
  throw new Malformed(
    `${JSON.stringify(path)} is a relative path; write it from the root, as in "$PWD"/${path.replace(/^\.\//, "")}`,
  );
}
