/** What depends on the distribution: how a package is installed, and what users are called. */
import type { Look } from "../look.ts";

/** A package's name by the tool that installs it. */
export interface PackageNames {
  readonly apt: string;
  readonly dnf: string;
  readonly pacman: string;
  readonly apk: string;
  readonly zypper: string;
}

const TOOLS: readonly [tool: keyof PackageNames, command: string, ids: RegExp][] = [
  ["apt", "sudo apt-get install", /^(?:debian|ubuntu)$/],
  ["dnf", "sudo dnf install", /^(?:rhel|fedora|centos|amzn)$/],
  ["pacman", "sudo pacman -S", /^arch$/],
  ["apk", "sudo apk add", /^(?:alpine|wolfi)$/],
  ["zypper", "sudo zypper install", /^(?:suse|opensuse.*|sles)$/],
];

/** The command that installs a package here, by os-release(5); on an unknown distribution it names the package only. */
export function install(look: Look, packages: PackageNames): string {
  const release = look.text("/etc/os-release");
  const ids = [...release.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].flatMap(([, value = ""]) =>
    value.replace(/["']/g, "").split(" "),
  );
  const tool = TOOLS.find(([, , pattern]) => ids.some((id) => pattern.test(id)));
  return tool ? `${tool[1]} ${packages[tool[0]]}` : `install the package ${packages.apt}`;
}

/** A user's name by passwd(5); the number where there is none. */
export function userName(look: Look, uid: number): string {
  const line = look
    .text("/etc/passwd")
    .split("\n")
    .find((entry) => entry.split(":")[2] === String(uid));
  return line?.split(":")[0] ?? String(uid);
}
