/** Hosts made of texts, for what `tele doctor` says of them. The texts are those of real ones, shortened. */
import type { Host } from "#host/doctor/finding.ts";

interface Made {
  readonly uid?: number;
  readonly landlock?: number;
  readonly refusal?: Host["refusal"];
  /** Over those of the base; an empty one takes a file away. */
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** Paths that may be written; root may write all that `readOnly` does not name. */
  readonly writable?: readonly string[];
  readonly readOnly?: readonly string[];
  readonly programs?: readonly string[];
  readonly raises?: boolean;
}

/** /proc/self/status of a process with these effective capabilities. */
export const status = (uid: number, capabilities: string, extra: Readonly<Record<string, string>> = {}): string =>
  Object.entries({
    Name: "tele",
    Uid: `${uid}\t${uid}\t${uid}\t${uid}`,
    SigIgn: "0000000000001000",
    CapEff: capabilities,
    CapBnd: "000001ffffffffff",
    CapAmb: "0000000000000000",
    NoNewPrivs: "0",
    Seccomp: "0",
    ...extra,
  })
    .map(([name, value]) => `${name}:\t${value}\n`)
    .join("");

export const ALL = "000001ffffffffff";
export const NONE = "0000000000000000";
/** Docker's default set. */
export const DOCKER = "00000000a80425fb";

export const MOUNTS_V2 = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
24 22 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:2 - sysfs sysfs rw
25 24 0:25 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate
26 23 0:30 / /proc/sys/fs/binfmt_misc rw,relatime shared:13 - autofs systemd-1 rw
27 26 0:31 / /proc/sys/fs/binfmt_misc rw,nosuid,nodev,noexec,relatime shared:14 - binfmt_misc binfmt_misc rw
`;

const BASE: Readonly<Record<string, string>> = {
  "/proc/sys/kernel/osrelease": "6.1.0-28-amd64\n",
  "/proc/sys/user/max_user_namespaces": "63000\n",
  "/proc/sys/kernel/seccomp/actions_avail": "kill_process kill_thread trap errno user_notif trace log allow\n",
  "/proc/self/mountinfo": MOUNTS_V2,
  "/proc/1/mountinfo": MOUNTS_V2,
  "/proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
  "/proc/self/uid_map": "         0          0 4294967295\n",
  "/proc/self/gid_map": "         0          0 4294967295\n",
  "/proc/filesystems": "nodev\tsysfs\nnodev\tproc\n\text4\n",
  "/proc/cpuinfo": "flags\t\t: fpu vme de vmx ssse3\n",
  "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
  "/lib/modules/6.1.0-28-amd64/modules.dep":
    "kernel/fs/overlayfs/overlay.ko:\nkernel/net/netfilter/nf_tables.ko: kernel/net/netfilter/nfnetlink.ko\n",
  "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
  "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\n",
  "/etc/group": "root:x:0:\nkvm:x:104:\n",
  "/etc/subuid": "alice:100000:65536\n",
  "/etc/subgid": "alice:100000:65536\n",
  "/dev/kvm": "(device)",
};

const KINDS = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"];
const LINKS = Object.fromEntries(
  KINDS.map((kind, index) => [`/proc/self/ns/${kind}`, kind === "user" ? "user:[4026531837]" : `${kind}:[${index}]`]),
);

/** A host, Debian 12 with everything unless told otherwise, and a process of root's or of `uid` on it. */
export function madeHost(made: Made = {}): Host {
  const { uid = 0, landlock = 2, refusal, readOnly = [], programs = ["newuidmap", "newgidmap", "nft"] } = made;
  const own = { "/proc/self/status": status(uid, uid === 0 ? ALL : NONE) };
  const files: Record<string, string> = { ...BASE, ...own, ...made.files };
  const links: Record<string, string> = { ...LINKS, ...made.links };
  const text = (path: string): string => files[path] ?? "";
  return {
    uid,
    landlock,
    refusal,
    text,
    bytes: () => new Uint8Array(),
    link: (path) => links[path] ?? "",
    exists: (path) => text(path) !== "",
    may: (path, how) => {
      if (how === "read") return text(path) !== "";
      return uid === 0
        ? !readOnly.includes(path) && (path.startsWith("/sys") || text(path) !== "")
        : (made.writable ?? []).includes(path);
    },
    program: (name) => (programs.includes(name) ? `/usr/bin/${name}` : undefined),
    raises: () => made.raises ?? true,
  };
}
