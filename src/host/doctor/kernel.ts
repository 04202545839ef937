/** The kernel: its release, who we are to it, and what it forbids. */
import { gunzipSync } from "node:zlib";
import { missingCapabilities } from "../facts.ts";
import type { Look } from "../look.ts";
import { userName } from "./distribution.ts";
import { type Finding, type Host, isHostRoot, lack, well } from "./finding.ts";

type Version = readonly [major: number, minor: number];

/** What no sandbox of ours does without, by the release that brought it. */
const ESSENTIAL: readonly [Version, string][] = [
  [[5, 6], "pidfd_getfd"],
  [[5, 7], "clone3 into a cgroup"],
  [[5, 9], "close_range"],
  [[5, 12], "mount_setattr"],
  [[5, 14], "cgroup.kill"],
];
/** What makes it better; whoever lacks more than that is told by a finding of its own. */
const WELCOME: readonly [Version, string][] = [
  [[6, 2], "Landlock for truncation"],
  [[6, 3], "id-mapped tmpfs"],
  [[6, 10], "Landlock for devices"],
];

/** Whether a release, however it is spelt, is this version or a later one. */
export function atLeast(release: string, [major, minor]: Version): boolean {
  const [ours = 0, second = 0] = release.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  return ours > major || (ours === major && second >= minor);
}

export function releaseOf(look: Look): string {
  return look.text("/proc/sys/kernel/osrelease").trim();
}

/** Whether the kernel has every system call that a sandbox is made of. */
export function kernel(release: string): Finding {
  const lacking = (list: typeof ESSENTIAL): string =>
    list
      .filter(([version]) => !atLeast(release, version))
      .map(([version, what]) => `${what} (${version.join(".")})`)
      .join(", ");
  const [missing, newer] = [lacking(ESSENTIAL), lacking(WELCOME)];
  const found = `Linux ${release.trim() || "of unknown release"}`;
  if (missing === "") return well("Kernel", "kernel", newer === "" ? found : `${found}; newer ones add ${newer}`);
  return lack("failure", "Kernel", "kernel", {
    found,
    cost: `no job starts: it lacks ${missing}`,
    remedy: "boot Linux 5.14 or newer",
  });
}

/** Whether this process makes sandboxes with the host's privileges, or as an ordinary user does. */
export function privileges(host: Host): Finding {
  const status = host.text("/proc/self/status");
  const lacking = { cost: "tele serve starts no job; tele run does, as for an ordinary user" };
  if (isHostRoot(host))
    return well("Kernel", "privileges", host.uid === 0 ? "root with what a sandbox takes" : "what a sandbox takes");
  if (host.uid !== 0)
    return well("Kernel", "privileges", `user ${userName(host, host.uid)}: enough for tele run; tele serve needs root`);
  const missing = missingCapabilities(status).map((name) => `CAP_${name}`);
  if (missing.length > 0)
    return lack("warning", "Kernel", "privileges", {
      ...lacking,
      found: `root without ${missing.join(", ")}`,
      remedy: `give this container or service ${missing.join(", ")}`,
    });
  return lack("warning", "Kernel", "privileges", {
    ...lacking,
    found: "root of a user namespace, not of the machine",
    remedy: "run it on the host, or in a container without a user namespace of its own",
  });
}

/** Whether a tether can be executed from its sealed memfd. */
export function memfd(look: Look): Finding {
  if (look.text("/proc/sys/vm/memfd_noexec").trim() !== "2")
    return well("Kernel", "memfd", "executable memfds are allowed");
  return lack("failure", "Kernel", "memfd", {
    found: "vm.memfd_noexec is 2",
    cost: "no job starts: the tether is executed from a sealed memfd",
    remedy: "sudo sysctl -w vm.memfd_noexec=1",
  });
}

const PTRACE_SCOPES = ["any process of the same user", "only descendants", "only with CAP_SYS_PTRACE", "nobody"];

/** Who may trace whom: pidfd_getfd(2) asks for the same, and debuggers in jobs do. */
export function ptrace(look: Look): Finding {
  const scope = look.text("/proc/sys/kernel/yama/ptrace_scope").trim();
  const found = `${PTRACE_SCOPES[Number(scope || "0")] ?? "unknown"} (${scope === "" ? "no Yama" : `Yama ${scope}`})`;
  if (scope !== "3") return well("Kernel", "ptrace", found);
  return lack("warning", "Kernel", "ptrace", {
    found,
    cost: "a restarted daemon cannot take over its jobs' output; no debugger works in jobs",
    remedy: "set kernel.yama.ptrace_scope=1 in /etc/sysctl.d and reboot: 3 stays until then",
  });
}

/** Whether a feature that can be a module is there: in use, built in or to be loaded on demand. */
export function hasModule(look: Look, name: string, option: string): boolean {
  const directory = `/lib/modules/${releaseOf(look)}`;
  const listed = new RegExp(`/${name}\\.ko`, "m");
  return (
    look.exists(`/sys/module/${name}`) ||
    listed.test(look.text(`${directory}/modules.builtin`)) ||
    listed.test(look.text(`${directory}/modules.dep`)) ||
    new RegExp(`^${option}=y`, "m").test(configOf(look))
  );
}

/** The kernel's build configuration, where it tells. */
function configOf(look: Look): string {
  const packed = look.bytes("/proc/config.gz");
  if (packed.length === 0) return look.text(`/boot/config-${releaseOf(look)}`);
  try {
    return gunzipSync(packed).toString();
  } catch {
    return "";
  }
}
