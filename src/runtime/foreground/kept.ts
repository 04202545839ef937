/**
 * Tethers of command lines that ran before. To plan and assemble one takes longer than everything else that `tele run`
 * does, and the same words on the same host make the same one: it is kept in a file, below the text of everything that
 * it was made from. A text that differs in whatever way finds nothing, and then a new one is made.
 */
import { AT, O } from "#ffi/abi/fcntl.ts";
import { RLIMIT } from "#ffi/abi/resource.ts";
import { call, type Scratch, scratch } from "#ffi/call.ts";
import { makePrivateDirectory, openBelow, readDescriptor, readLink, readText, writeDescriptor } from "#ffi/files.ts";
import { VERSION } from "#version";

/** So many files at most, of about 12 KB each: the name is a number made of the text, and the newest one stays. */
const MOST_FILES = 256;
/** Nobody else's file is opened with O_NOATIME (open(2)), so that nobody can put a tether there for us. */
const OURS = O.RDONLY | O.NOATIME;
/** Runs of lines of /proc/self/status that decide what a sandbox of ours can be: where each begins, and what comes behind. */
const STATUS = [
  ["Uid:", "FDSize:"],
  ["Groups:", "NStgid:"],
  ["SigIgn:", "SigCgt:"],
  ["CapInh:", "Seccomp_filters:"],
] as const;
/** Variables that say where our own directories are. */
const VARIABLES = ["HOME", "TELE_CONFIG_DIR", "TELE_STATE_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] as const;
/** Files whose change changes users. */
const USERS = ["/etc/passwd", "/etc/group"] as const;
/** `struct stat` on both machines: device and inode; size; mtime and ctime. */
const STAT = { size: 144, file: 0, length: 48, times: 88 } as const;

/** So much of a text is hashed. */
const HASHED = 200;

/** Everything that a tether is made from, but the command's arguments behind its name. */
export interface Making {
  /** Words before `--`. */
  readonly words: readonly string[];
  /** The command's own name. */
  readonly name: string;
  /** `TERM`, where our output is a terminal. */
  readonly terminal: string | undefined;
  /** First of the ids that were claimed for it. */
  readonly firstId: number | undefined;
}

/** What the host says of us; the same for every lookup of one process. */
export interface Circumstances {
  readonly text: string;
  /** Whether the host's ids can be ours to give away: root, outside of every user namespace. */
  readonly isRoot: boolean;
}

/** PROC_USER_INIT_INO, the same on every kernel. */
const FIRST_USERNS = "user:[4026531837]";

/** Reads them, in less than a tenth of a millisecond. */
export function circumstances(environment: NodeJS.ProcessEnv): Circumstances {
  const status = readText("/proc/self/status");
  // By hand: a regular expression costs as much as everything else here.
  const lines = STATUS.map((run) => {
    const from = status.indexOf(run[0]);
    return status.substring(from, status.indexOf(run[1], from));
  });
  const userns = readLink("/proc/self/ns/user");
  const isRoot = userns === FIRST_USERNS && lines[0]?.split("\t")[2] === "0";
  return {
    text: [
      VERSION,
      identityOf("/proc/self/exe"),
      readText("/proc/sys/kernel/random/boot_id"),
      ...lines,
      userns,
      openFiles(),
      ...VARIABLES.map((name) => environment[name] ?? "\u0001"),
      ...USERS.map(identityOf),
      // What is mounted is in root's program (`Facts.unowned`).
      isRoot ? readText("/proc/self/mountinfo") : "",
    ].join("\n"),
    isRoot,
  };
}

/** The text that a kept tether is found by. */
export function makingText({ text }: Circumstances, { words, name, terminal, firstId }: Making): string {
  return JSON.stringify([text, words, name, terminal ?? 0, firstId ?? 0]);
}

export interface KeptTether {
  readonly tether: Uint8Array;
  /** Those that it is born into. */
  readonly namespaces: number;
}

/** The tether that was made of exactly this; undefined where none is kept. */
export function findTether(making: string, directory: string): KeptTether | undefined {
  const fd = openBelow(directory, fileOf(making), OURS);
  if (fd < 0) return undefined;
  try {
    const file = readDescriptor(fd);
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    if (file.length < HEADER || view.getUint32(0, true) !== file.length) return undefined;
    const end = HEADER + view.getUint32(8, true);
    if (new TextDecoder().decode(file.subarray(HEADER, end)) !== making) return undefined;
    return { tether: file.subarray(end), namespaces: view.getUint32(4, true) };
  } finally {
    call("close", fd);
  }
}

/** Length of the file, namespaces, length of the text: 32 bits each, and four bytes so that what follows is aligned. */
const HEADER = 16;

/** Keeps one. Where that cannot be done, nothing is kept. */
export function keepTether(making: string, directory: string, { tether, namespaces }: KeptTether): void {
  const text = Buffer.from(making);
  const file = new Uint8Array(HEADER + text.length + tether.length);
  const view = new DataView(file.buffer);
  view.setUint32(0, file.length, true);
  view.setUint32(4, namespaces, true);
  view.setUint32(8, text.length, true);
  file.set(text, HEADER);
  file.set(tether, HEADER + text.length);
  const parts = directory.split("/");
  for (const depth of [2, 1, 0]) makePrivateDirectory(parts.slice(0, parts.length - depth).join("/"));
  const name = fileOf(making);
  const mine = `${name}.${call("getpid")}`;
  const fd = openBelow(directory, mine, O.WRONLY | O.CREAT | O.EXCL, 0o600);
  if (fd < 0) return;
  let written = false;
  try {
    writeDescriptor(fd, file);
    written = true;
  } catch {
    // A full disk keeps nothing.
  } finally {
    call("close", fd);
    const memory = arena();
    const from = memory.text(`${directory}/${mine}`);
    // Renamed as a whole: nobody finds half a file, and whoever reads the old one goes on reading it.
    if (written) call("renameat2", AT.FDCWD, from, AT.FDCWD, memory.text(`${directory}/${name}`), 0);
    else call("unlinkat", AT.FDCWD, from, 0);
  }
}

/** Where they are kept: in memory until the next boot, and where a user has no such place in its cache. */
export function keptDirectory({ isRoot }: Circumstances, environment: NodeJS.ProcessEnv): string | undefined {
  if (isRoot) return "/run/tele/tethers";
  const { XDG_RUNTIME_DIR: runtime, XDG_CACHE_HOME: cache, HOME: home } = environment;
  if (runtime?.startsWith("/")) return `${runtime}/tele/tethers`;
  if (cache?.startsWith("/")) return `${cache}/tele/tethers`;
  return home?.startsWith("/") ? `${home}/.cache/tele/tethers` : undefined;
}

/** FNV-1a, 32 bits, of the text's end, which is what differs from call to call: no secret, only a number. */
function fileOf(making: string): string {
  let hash = 0x811c9dc5;
  for (let index = Math.max(0, making.length - HASHED); index < making.length; index++)
    hash = Math.imul(hash ^ making.charCodeAt(index), 0x01000193);
  return String((hash >>> 0) % MOST_FILES);
}

/** What tells a file from every other, and from itself after a change; empty where it is not there. */
function identityOf(path: string): string {
  const memory = arena();
  const { address, bytes } = memory.room(STAT.size);
  if (call("newfstatat", AT.FDCWD, memory.text(path), address, 0) < 0) return "";
  const words = (at: number, count: number): string =>
    new Uint32Array(bytes.buffer, bytes.byteOffset + at, count).join();
  return `${words(STAT.file, 4)} ${words(STAT.length, 2)} ${words(STAT.times, 8)}`;
}

/** The hard limit of open files (getrlimit(2)). */
function openFiles(): string {
  const { address, bytes } = arena().room(16);
  call("prlimit64", 0, RLIMIT.NOFILE, 0, address);
  return new Uint32Array(bytes.buffer, bytes.byteOffset + 8, 2).join();
}

let memory: Scratch | undefined;

function arena(): Scratch {
  memory ??= scratch(16 * 1024);
  memory.reset();
  return memory;
}
