/** Paths followed by hand, link by link: through a host's tree, or through one that will only exist inside of a job. */
import { lstatSync, readlinkSync } from "node:fs";

/** What lies at a path; `void` where nothing is yet and anything can be made. */
export type Seen = "directory" | "file" | "void" | "nothing" | { readonly link: string } | { readonly errno: string };

/** Where a path leads. */
export interface Place {
  /** Without links, `.` and `..`, as far as it exists; the rest as it was written. */
  readonly path: string;
  readonly seen: "directory" | "file" | "void" | "nothing";
  /** Why it could not be followed to its end: `ELOOP`, `EACCES`, `ENOTDIR`, … */
  readonly errno?: string;
  /** Where it went into a directory of /proc that is another one for each process. */
  readonly magic?: string;
}

/** As many links as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;
/** Their `fd`, `root`, `cwd`, `exe`, … lead out of every root (openat2(2), RESOLVE_NO_MAGICLINKS). */
const PROCESS = /^\/proc\/(?:self|thread-self|\d+)$/;

/** Follows an absolute path; `look` says what lies at each step of the way. */
export function walk(path: string, look: (path: string) => Seen): Place {
  const rest = parts(path);
  let here = "/";
  let seen: Place["seen"] = "directory";
  let links = 0;
  let magic: string | undefined;
  const found = (errno?: string): Place => ({
    path: here,
    seen,
    ...(errno !== undefined && { errno }),
    ...(magic !== undefined && { magic }),
  });
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === "..") {
      here = here.slice(0, here.lastIndexOf("/")) || "/";
      seen = "directory";
      continue;
    }
    const next = join(here, name);
    if (PROCESS.test(next)) magic ??= next;
    if (seen === "file") return { ...found("ENOTDIR"), path: join(next, ...rest), seen: "nothing" };
    const there = look(next);
    if (typeof there === "object") {
      if ("errno" in there) return { ...found(there.errno), path: join(next, ...rest), seen: "nothing" };
      if (++links > MOST_LINKS) return { ...found("ELOOP"), path: join(next, ...rest), seen: "nothing" };
      rest.unshift(...parts(there.link));
      if (there.link.startsWith("/")) here = "/";
      continue;
    }
    here = next;
    seen = there;
    if (there === "nothing" || there === "void") {
      here = join(here, ...rest);
      return there === "nothing" ? found("ENOENT") : found();
    }
  }
  return found();
}

/** What lies on this host, without following links. */
export function lookAtHost(path: string): Seen {
  try {
    const found = lstatSync(path);
    if (found.isSymbolicLink()) return { link: readlinkSync(path) };
    return found.isDirectory() ? "directory" : "file";
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? "EIO";
    return errno === "ENOENT" ? "nothing" : { errno };
  }
}

/** The same path without doubled slashes, `.` and the slash at the end; `..` stays. */
export function tidy(path: string): string {
  return `/${parts(path).join("/")}`;
}

/** Whether a tidy path is this directory or lies in it. */
export function isAtOrBelow(path: string, directory: string): boolean {
  return path === directory || directory === "/" || path.startsWith(`${directory}/`);
}

function parts(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function join(...names: readonly string[]): string {
  return names.map((name) => (name === "/" ? "" : name)).join("/");
}
