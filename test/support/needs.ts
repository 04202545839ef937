/** What a test needs of the machine. A missing need is a failure that says what to install, never a silent skip. */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Thrown by `need`: which need is missing and the way out. */
export class MissingNeed extends Error {
  readonly need: string;
  constructor(need: string, wayOut: string) {
    super(`this test needs ${need}, which this machine has not: ${wayOut}`);
    this.name = "MissingNeed";
    this.need = need;
  }
}

/** Where the Debian package of a program has another name than the program. */
const packageOf: Record<string, string> = {
  as: "binutils",
  bwrap: "bubblewrap",
  ip: "iproute2",
  newuidmap: "uidmap",
  nsenter: "util-linux",
  objdump: "binutils",
  pgrep: "procps",
  ps: "procps",
  "aarch64-linux-gnu-as": "binutils-aarch64-linux-gnu",
  "aarch64-linux-gnu-objdump": "binutils-aarch64-linux-gnu",
  "qemu-aarch64-static": "qemu-user-static",
  "qemu-system-x86_64": "qemu-system-x86",
  unshare: "util-linux",
};

const conditions: Record<string, { held: () => boolean; wayOut: string }> = {
  root: { held: () => process.getuid?.() === 0, wayOut: "run the tests as root" },
  cgroup: {
    held: () => /\scgroup2?\s/.test(readFileSync("/proc/self/mounts", "utf8")),
    wayOut: "mount the cgroup filesystem",
  },
  userns: {
    held: () => {
      const file = "/proc/sys/user/max_user_namespaces";
      return existsSync(file) && Number(readFileSync(file, "utf8")) > 0;
    },
    wayOut: "set the sysctl user.max_user_namespaces above 0",
  },
  "dist/tele": {
    held: () => existsSync(process.env["TELE_BINARY"] ?? join(import.meta.dirname, "../../dist/tele")),
    wayOut: "build it with `npm run build`",
  },
};

/** The full path of a program in PATH, or undefined. */
export function programPath(name: string): string | undefined {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {}
  }
  return undefined;
}

/** Throws `MissingNeed` unless every need is met: `root`, `cgroup`, `userns`, `dist/tele`, or a program in PATH. */
export function need(...needs: string[]): void {
  for (const name of needs) {
    const condition = conditions[name];
    if (condition === undefined) {
      if (programPath(name) === undefined) {
        throw new MissingNeed(name, `apt-get install ${packageOf[name] ?? name}`);
      }
    } else if (!condition.held()) throw new MissingNeed(name, condition.wayOut);
  }
}
