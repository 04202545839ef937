/** What this host offers to jobs: each finding with what it costs to lack it and the remedy. */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { readHierarchies } from "./cgroup/hierarchies.ts";

export interface Finding {
  readonly name: string;
  readonly level: "ok" | "warning" | "failure";
  /** What was found. */
  readonly found: string;
  /** What a job loses, where the level is not `ok`. */
  readonly cost?: string;
  /** A command or a change that mends it. */
  readonly remedy?: string;
}

/** Linux 5.14: mount_setattr (5.12), cgroup.kill (5.14), close_range with CLOEXEC (5.11), pidfd_getfd (5.6). */
const OLDEST_KERNEL = [5, 14] as const;

/** Examines the host; reads, never changes. */
export function examineHost(): Finding[] {
  return [
    kernel(text("/proc/sys/kernel/osrelease")),
    privileges(text("/proc/self/status"), process.getuid?.() ?? 0),
    ...namespaces(),
    ...cgroups(),
    memfd(),
  ];
}

/** Whether the kernel has every system call that a sandbox is made of. */
export function kernel(release: string): Finding {
  const [major = 0, minor = 0] = release.split(/[.-]/).map(Number);
  const enough = major > OLDEST_KERNEL[0] || (major === OLDEST_KERNEL[0] && minor >= OLDEST_KERNEL[1]);
  const found = `Linux ${release.trim()}`;
  if (enough) return { name: "kernel", level: "ok", found };
  return {
    name: "kernel",
    level: "failure",
    found,
    cost: "no job starts",
    remedy: `boot Linux ${OLDEST_KERNEL.join(".")} or newer`,
  };
}

/** Whether this process may make sandboxes: root with CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_SYS_PTRACE. */
export function privileges(status: string, uid: number): Finding {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  const missing = [
    ["CAP_NET_ADMIN", 12],
    ["CAP_SYS_PTRACE", 19],
    ["CAP_SYS_ADMIN", 21],
  ].flatMap(([name, bit]) => ((effective >> BigInt(bit as number)) & 1n ? [] : [name]));
  if (uid === 0 && missing.length === 0)
    return { name: "privileges", level: "ok", found: "root with what a sandbox takes" };
  const found = uid === 0 ? `root without ${missing.join(", ")}` : `user ${uid}`;
  return {
    name: "privileges",
    level: "failure",
    found,
    cost: "the daemon cannot start jobs",
    remedy: uid === 0 ? `give this container or service ${missing.join(", ")}` : "run it with sudo",
  };
}

function namespaces(): Finding[] {
  return ["mnt", "pid", "net", "ipc", "uts", "cgroup"].flatMap((name): Finding[] => {
    if (exists(`/proc/self/ns/${name}`)) return [];
    return [
      {
        name: `${name} namespace`,
        level: "failure",
        found: "the kernel was built without it",
        cost: "no job starts",
        remedy: "use a kernel with CONFIG_NAMESPACES and all of its kinds",
      },
    ];
  });
}

function cgroups(): Finding[] {
  const hierarchies = readHierarchies(text("/proc/self/mountinfo"), text("/proc/self/cgroup"));
  const layout: Finding = {
    name: "cgroup layout",
    level: hierarchies.layout === "none" ? "warning" : "ok",
    found: hierarchies.layout,
    ...(hierarchies.layout === "none" && {
      cost: "no limit of cpu, memory, pids or io is held",
      remedy: "mount -t cgroup2 none /sys/fs/cgroup",
    }),
  };
  const unified = hierarchies.v2 ? text(`${hierarchies.v2.mount}/cgroup.controllers`).split(/\s+/) : [];
  const holders = (["cpu", "memory", "io", "pids"] as const).map((controller): Finding => {
    const name = `${controller} controller`;
    if (unified.includes(controller)) return writable(name, "cgroup2", hierarchies.v2?.mount ?? "");
    const v1 = hierarchies.v1.find((hierarchy) => hierarchy.controllers.includes(controller));
    if (v1) return writable(name, "cgroup1", v1.mount);
    return {
      name,
      level: "warning",
      found: "nobody has it",
      cost: `the ${controller} limit of jobs is not held (enforced: none)`,
      remedy: `boot with the ${controller} controller enabled (cgroup_enable=${controller})`,
    };
  });
  return [layout, ...holders];
}

function writable(name: string, by: string, mount: string): Finding {
  try {
    accessSync(mount, constants.W_OK);
    return { name, level: "ok", found: by };
  } catch {
    return {
      name,
      level: "warning",
      found: `${by}, but ${mount} cannot be written`,
      cost: `${name.split(" ")[0]} limits are not held`,
      remedy: "run the daemon as root, outside of containers with a read-only cgroup mount",
    };
  }
}

function memfd(): Finding {
  const level = text("/proc/sys/vm/memfd_noexec").trim();
  if (level !== "2") return { name: "memfd", level: "ok", found: "executable memfds are allowed" };
  return {
    name: "memfd",
    level: "failure",
    found: "vm.memfd_noexec=2",
    cost: "no job starts: the tether is executed from a sealed memfd",
    remedy: "sysctl vm.memfd_noexec=1",
  };
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
