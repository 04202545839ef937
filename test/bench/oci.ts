/** A bundle for crun and runc with the namespaces, mounts and paths of our own sandbox. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes `config.json` for `/bin/true` on a mount of the host's own root, read-only, and returns the bundle's folder. */
export function ociBundle(folder: string, root: string): string {
  const bundle = join(folder, "bundle");
  mkdirSync(bundle, { recursive: true });
  const tmpfs = (destination: string, ...more: string[]) => ({
    destination,
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", ...more],
  });
  const config = {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args: ["/bin/true"],
      env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
      cwd: "/",
      capabilities: { bounding: [], effective: [], permitted: [] },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }],
      noNewPrivileges: true,
    },
    root: { path: root, readonly: true },
    hostname: "sandbox",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
      tmpfs("/dev", "strictatime", "mode=755", "size=65536k"),
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
      },
      tmpfs("/dev/shm", "nodev", "noexec", "mode=1777"),
      tmpfs("/tmp", "nodev", "mode=1777"),
      tmpfs("/run", "nodev", "mode=755"),
    ],
    linux: {
      cgroupsPath: "/tele-bench",
      resources: { devices: [{ allow: true, access: "rwm" }] },
      namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })),
      maskedPaths: ["/proc/acpi", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    },
  };
  writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
  return bundle;
}
