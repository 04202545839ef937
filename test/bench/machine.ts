/** Where and when the numbers were measured. */
import { existsSync, readFileSync } from "node:fs";
import { arch, availableParallelism, loadavg, release, totalmem } from "node:os";
import { VERSION } from "#version";

/** One paragraph of Markdown naming the machine, the kernel, the runtime and the date. */
export function machine(): string {
  const cpu = /^model name\s*:\s*(.+)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? arch();
  const system = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  const hypervisor = /^flags\s*:.*\bhypervisor\b/m.test(readFileSync("/proc/cpuinfo", "utf8")) ? ", virtual" : "";
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const date = new Date().toISOString().slice(0, 10);
  const cores = availableParallelism();
  return (
    `${date}, tele ${VERSION}, ${cpu} (${cores} cores${hypervisor}), ${memory}, ${system}, Linux ${release()}, ` +
    `${cgroups()}, Bun ${process.versions["bun"]}; load before: ${loadavg().at(0)?.toFixed(2)}.`
  );
}

function cgroups(): string {
  if (existsSync("/sys/fs/cgroup/cgroup.controllers")) return "cgroup v2";
  return existsSync("/sys/fs/cgroup/unified") ? "cgroups hybrid" : "cgroup v1";
}
