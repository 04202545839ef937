/** Real files and directories for random mounts, with names that a shell, a mount table or a JSON text could stumble over. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a mount's source may be. */
export interface Folder {
  readonly path: string;
  /** Each with a file `marker`, which holds its index, and a directory `sub`. */
  readonly directories: readonly string[];
  /** Each holds its index. */
  readonly files: readonly string[];
  /** A link to the first of the directories, and one that leads nowhere. */
  readonly link: string;
  readonly dangling: string;
  /** Empty directories, to mount on. */
  readonly places: readonly string[];
  /** Removes what jobs have written into its directories. */
  clean(): void;
  remove(): void;
}

export const AWKWARD: readonly string[] = [
  "plain",
  "with space",
  "ünï-код-⛄",
  `quo'te"s`,
  "back\\slash",
  "new\nline",
  "tab\tand # and $HOME",
  "-rf",
  "a,b=c:d",
  "%s%n",
  "x".repeat(255),
];

/** Makes one that the sandbox's own root shows too: /tmp is each job's own. */
export function makeFolder(): Folder {
  const path = mkdtempSync("/var/tmp/tele-property-");
  chmodSync(path, 0o755);
  const directories = AWKWARD.map((name) => join(path, name));
  for (const [index, directory] of directories.entries()) {
    mkdirSync(join(directory, "sub"), { recursive: true });
    writeFileSync(join(directory, "marker"), String(index));
  }
  const files = ["file", "odd file\n'\"\\"].map((name) => join(path, name));
  for (const [index, file] of files.entries()) writeFileSync(file, String(index));
  const places = ["here", "and here"].map((name) => join(path, name));
  for (const place of places) mkdirSync(place);
  const [link, dangling] = [join(path, "link"), join(path, "dangling")];
  symlinkSync(directories[0] ?? "", link);
  symlinkSync("nothing", dangling);
  return {
    path,
    directories,
    files,
    link,
    dangling,
    places,
    clean() {
      for (const directory of directories) rmSync(join(directory, "written"), { force: true });
    },
    remove: () => rmSync(path, { recursive: true }),
  };
}
