/** Looking at this host: the reads that facts and findings are made of, so that both can be made of texts alone. */
import { accessSync, constants, readFileSync, readlinkSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ERRNO } from "#ffi/abi/errno.ts";
import { call, type Scratch, scratch } from "#ffi/call.ts";

/** What can be asked of a host; nothing here changes it and nothing throws. */
export interface Look {
  /** Content of a file; empty where it is not or may not be read. */
  text(path: string): string;
  /** The same as bytes. */
  bytes(path: string): Uint8Array;
  /** Where a symbolic link leads; empty where there is none or it may not be read. */
  link(path: string): string;
  exists(path: string): boolean;
  /** Whether this process may open it so. */
  may(path: string, how: "read" | "write"): boolean;
  /** Full path of a program in PATH or where administrators' programs are, such as /usr/sbin. */
  program(name: string): string | undefined;
  /** Whether a program runs with more than its caller's rights: its set-user-ID bit, or file capabilities. */
  raises(program: string): boolean;
}

/** inode(7); node:fs has no name for it. */
const S_ISUID = 0o4000;

/** Directories of programs that the PATH of an ordinary user often lacks. */
const SYSTEM_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** The host that this process runs on. */
export const thisHost: Look = {
  text: (path) => or("", () => readFileSync(path, "utf8")),
  bytes: (path) => or(new Uint8Array(), () => readFileSync(path)),
  link: (path) => or("", () => readlinkSync(path)),
  exists: (path) => or(false, () => statSync(path, { throwIfNoEntry: false }) !== undefined),
  may: (path, how) =>
    or(false, () => {
      accessSync(path, how === "read" ? constants.R_OK : constants.W_OK);
      return true;
    }),
  program: (name) =>
    [...(process.env["PATH"] ?? "").split(delimiter), ...SYSTEM_PATH]
      .filter((directory) => directory.startsWith("/"))
      .map((directory) => join(directory, name))
      .find((path) =>
        or(false, () => {
          accessSync(path, constants.X_OK);
          return statSync(path).isFile();
        }),
      ),
  raises: (program) => or(false, () => (statSync(program).mode & S_ISUID) !== 0) || hasCapabilities(program),
};

let arena: Scratch | undefined;

/** Whether a file carries capabilities(7); node:fs reads no extended attributes. */
function hasCapabilities(path: string): boolean {
  arena ??= scratch(8192);
  arena.reset();
  const memory = arena;
  const room = memory.room(64);
  // SAFETY: the kernel writes at most the 64 bytes that are given.
  const answer = call("getxattr", memory.text(path), memory.text("security.capability"), room.address, 64);
  return answer > 0 || answer === -ERRNO.ERANGE;
}

function or<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
