/** What keeps a job apart: namespaces, filters, rules. */
import type { Look } from "../look.ts";
import { appArmorProfile } from "../userns.ts";
import { type Finding, type Host, lack, well } from "./finding.ts";
import { atLeast, releaseOf } from "./kernel.ts";

/** Every kind that each job has of its own, but user namespaces: they have more to tell. */
const KINDS = ["mnt", "pid", "net", "ipc", "uts", "cgroup"] as const;

export function namespaces(look: Look): Finding {
  const missing = KINDS.filter((kind) => look.link(`/proc/self/ns/${kind}`) === "");
  if (missing.length === 0) return well("Isolation", "namespaces", KINDS.join(", "));
  return lack("failure", "Isolation", "namespaces", {
    found: `the kernel was built without: ${missing.join(", ")}`,
    cost: "no job starts",
    remedy: "boot a kernel with CONFIG_NAMESPACES=y and all of its kinds",
  });
}

/** Filters of system calls, and whether a process can be asked about a call. */
export function seccomp(look: Look): Finding[] {
  const actions = look.text("/proc/sys/kernel/seccomp/actions_avail").trim().split(/\s+/);
  const has = /^Seccomp:/m.test(look.text("/proc/self/status"));
  if (!has)
    return [
      lack("failure", "Isolation", "seccomp", {
        found: "the kernel was built without it",
        cost: "jobs start only with --seccomp unconfined",
        remedy: "boot a kernel with CONFIG_SECCOMP_FILTER=y",
      }),
    ];
  const filter = well("Isolation", "seccomp", actions[0] === "" ? "filters" : `filters: ${actions.join(", ")}`);
  if (actions.includes("user_notif"))
    return [filter, well("Isolation", "seccomp notification", "a denied call can be asked about")];
  return [
    filter,
    lack("warning", "Isolation", "seccomp notification", {
      found: actions[0] === "" ? "unknown: /proc/sys/kernel/seccomp is not readable" : "the kernel has none",
      cost: "--report-denied and --learn name no calls",
      remedy: "boot a kernel with CONFIG_SECCOMP_FILTER=y, Linux 5.0 or newer",
    }),
  ];
}

/** Rules about files that a process makes for itself. */
export function landlock(host: Host): Finding {
  const abi = host.landlock;
  if (abi >= 3) return well("Isolation", "landlock", `ABI ${abi}`);
  if (abi > 0)
    return lack("warning", "Isolation", "landlock", {
      found: `ABI ${abi}`,
      cost: "--read and --write do not keep files from being truncated",
      remedy: "boot Linux 6.2 or newer",
    });
  const modules = host.text("/sys/kernel/security/lsm").trim();
  const old = !atLeast(releaseOf(host), [5, 13]);
  return lack("warning", "Isolation", "landlock", {
    found: "none",
    cost: "--read and --write are not held",
    remedy: old
      ? "boot Linux 6.2 or newer"
      : `boot a kernel with CONFIG_SECURITY_LANDLOCK=y and lsm=${["landlock", ...(modules === "" ? [] : [modules])].join(",")} on its command line`,
  });
}

/** Clocks of a job's own. */
export function timeNamespace(look: Look): Finding {
  if (look.link("/proc/self/ns/time") !== "") return well("Isolation", "time namespace", "there");
  return lack("warning", "Isolation", "time namespace", {
    found: "the kernel has none",
    cost: "a job cannot have clocks of its own (--clock)",
    remedy: "boot Linux 5.6 or newer with CONFIG_TIME_NS=y",
  });
}

/** Which module decides beside us; none of them is needed. */
export function securityModule(look: Look): Finding {
  const found: string[] = [];
  const profile = appArmorProfile(look);
  const enforce = look.text("/sys/fs/selinux/enforce").trim();
  if (look.text("/sys/module/apparmor/parameters/enabled").trim() === "Y")
    found.push(
      `AppArmor, this process ${profile === "" || profile === "unconfined" ? "unconfined" : `under ${profile}`}`,
    );
  if (enforce !== "") {
    const context = look.text("/proc/self/attr/current").replace(/[\0\n]+$/, "");
    found.push(`SELinux ${enforce === "1" ? "enforcing" : "permissive"}${context === "" ? "" : `, ${context}`}`);
  }
  return well("Isolation", "security module", found.join("; ") || "neither AppArmor nor SELinux");
}
