// `tele doctor` on hosts of every kind: whether jobs start there, and if not, why and what to do.
import { expect, test } from "bun:test";
import { examineHost } from "#host/doctor.ts";
import type { Finding, Host } from "#host/doctor/finding.ts";
import { ALL, DOCKER, madeHost, MOUNTS_V2, status } from "#test/support/doctor-hosts.ts";

const of = (host: Host, name: string): Finding | undefined =>
  examineHost(host).find((finding) => finding.name === name);
const at = (host: Host, level: Finding["level"]): string[] =>
  examineHost(host).flatMap((finding) => (finding.level === level ? [finding.name] : []));

test("Debian 12 as root: jobs start; only Landlock is old", () => {
  expect(at(madeHost(), "failure")).toEqual([]);
  expect(at(madeHost(), "warning")).toEqual(["landlock"]);
  expect(of(madeHost(), "subordinate ids")?.found).toBe("65536 for each of 16368 jobs, from 1000000 on");
});

test("Debian 12 as an ordinary user who logged in: jobs start, without limits", () => {
  const host = madeHost({ uid: 1000, files: { "/run/user/1000/systemd": "(directory)" } });
  expect(at(host, "failure")).toEqual([]);
  expect(at(host, "warning")).toEqual(["landlock", "cgroup delegation", "kvm"]);
  expect(of(host, "cgroup delegation")).toMatchObject({
    found: "none: /sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope is not this user's",
    remedy: "systemd-run --user --scope -p Delegate=yes -- tele run ...",
  });
  expect(of(host, "subordinate ids")?.found).toBe("65536 for alice, by newuidmap");
});

test("Ubuntu 24.04 as an ordinary user: AppArmor strips user namespaces, and a profile is the remedy", () => {
  const files = {
    "/proc/sys/kernel/osrelease": "6.8.0-49-generic\n",
    "/proc/sys/kernel/unprivileged_userns_clone": "1\n",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
    "/sys/module/apparmor/parameters/enabled": "Y\n",
    "/proc/self/attr/apparmor/current": "unconfined\n",
    "/lib/modules/6.8.0-49-generic/modules.dep":
      "kernel/fs/overlayfs/overlay.ko.zst:\nkernel/net/netfilter/nf_tables.ko.zst:\n",
    "/etc/os-release": "ID=ubuntu\nID_LIKE=debian\n",
  };
  const stripped = madeHost({ uid: 1000, landlock: 4, files, refusal: { call: "unshare", errno: "EPERM" } });
  expect(at(stripped, "failure")).toEqual(["user namespaces"]);
  expect(of(stripped, "user namespaces")).toMatchObject({
    found: "AppArmor lets only programs with a profile for it use them",
    cost: "no job starts",
    remedy:
      "tele doctor --print-apparmor | sudo tee /etc/apparmor.d/tele >/dev/null && sudo apparmor_parser -r /etc/apparmor.d/tele",
  });
  const profiled = { ...files, "/proc/self/attr/apparmor/current": "tele (unconfined)\n" };
  expect(at(madeHost({ uid: 1000, landlock: 4, files: profiled }), "failure")).toEqual([]);
  expect(at(madeHost({ landlock: 4, files }), "failure")).toEqual([]);
});

test("RHEL 9 as root: a 5.14 is enough, SELinux may enforce", () => {
  const host = madeHost({
    landlock: 0,
    files: {
      "/proc/sys/kernel/osrelease": "5.14.0-503.el9.x86_64\n",
      "/sys/fs/selinux/enforce": "1",
      "/proc/self/attr/current": "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\0",
      "/lib/modules/5.14.0-503.el9.x86_64/modules.dep":
        "kernel/fs/overlayfs/overlay.ko.xz:\nkernel/net/netfilter/nf_tables.ko.xz:\n",
      "/etc/os-release": 'ID="rhel"\nID_LIKE="fedora"\n',
    },
  });
  expect(at(host, "failure")).toEqual([]);
  expect(at(host, "warning")).toEqual(["landlock"]);
});

test("a container of docker's as root: neither user namespaces nor a whole /proc", () => {
  const masked = `800 700 0:50 / / rw,relatime - overlay overlay rw
801 800 0:60 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
802 801 0:60 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
803 801 0:5 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw
804 800 0:61 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
805 804 0:62 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw
`;
  const host = madeHost({
    refusal: { call: "clone3", errno: "ENOSYS" },
    readOnly: ["/sys/fs/cgroup"],
    files: {
      "/proc/self/status": status(0, DOCKER, { Seccomp: "2" }),
      "/proc/self/mountinfo": masked,
      "/proc/1/mountinfo": masked,
      "/proc/self/cgroup": "0::/\n",
      "/proc/self/attr/current": "docker-default (enforce)\n",
    },
  });
  expect(at(host, "failure")).toEqual(["user namespaces", "proc"]);
  expect(of(host, "user namespaces")).toMatchObject({
    found: "clone3 says ENOSYS, likely by the seccomp filter that this process is under",
    cost: "no job starts",
  });
  expect(of(host, "proc")?.found).toBe("covered: sys, kcore");
  expect(of(host, "memory controller")?.found).toBe("cgroup2, but /sys/fs/cgroup cannot be written");
});

test("hybrid cgroups: v1 has the controllers for root, an ordinary user has none", () => {
  const files = {
    "/proc/self/mountinfo": `42 1 254:0 / / rw - ext4 /dev/vda rw
44 42 0:21 / /proc rw - proc proc rw
47 42 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
50 42 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
54 42 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
56 42 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`,
    "/proc/self/cgroup": "3:cpu,cpuacct:/\n2:memory:/\n1:pids:/\n0::/\n",
  };
  const root = madeHost({ files });
  expect(["cpu", "memory", "pids"].map((name) => of(root, `${name} controller`)?.found)).toEqual([
    "cgroup1",
    "cgroup1",
    "cgroup1",
  ]);
  expect(of(root, "io controller")).toMatchObject({
    level: "warning",
    found: "nobody has it",
    remedy: "boot with the io controller enabled (cgroup_enable=io)",
  });
  expect(of(madeHost({ uid: 1000, files }), "cgroup delegation")?.found).toBe(
    "none: on a hybrid host only root divides cgroups",
  );
  const none = madeHost({ files: { "/proc/self/mountinfo": "42 1 254:0 / / rw - ext4 /dev/vda rw\n" } });
  expect(of(none, "cgroup layout")).toMatchObject({ level: "warning", remedy: "mount -t cgroup2 none /sys/fs/cgroup" });
});

test("pure v2 with a delegated user session: which controllers came with it, and how to get the rest", () => {
  const user = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
  const inside = [user, `${user}/app.slice`, `${user}/app.slice/run-1.scope`];
  const host = madeHost({
    uid: 1000,
    files: {
      "/proc/self/cgroup": "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n",
      [`${user}/cgroup.controllers`]: "memory pids\n",
    },
    writable: inside.flatMap((directory) => [directory, `${directory}/cgroup.procs`]),
  });
  expect(of(host, "cgroup delegation")).toMatchObject({ level: "ok", found: user });
  expect(["memory", "pids", "cpu", "io"].map((name) => of(host, `${name} controller`)?.level)).toEqual([
    "ok",
    "ok",
    "warning",
    "warning",
  ]);
  expect(of(host, "cpu controller")?.remedy).toContain("Delegate=cpu cpuset io memory pids");
  const foreign = {
    ...host,
    may: (path: string) => path !== `${user}/app.slice/cgroup.procs` && inside.includes(path),
  };
  expect(of(foreign, "cgroup delegation")?.level).toBe("warning");
});

test("kernel 5.10: no job starts, and each finding says what it misses", () => {
  const host = madeHost({
    landlock: 0,
    uid: 1000,
    files: {
      "/proc/sys/kernel/osrelease": "5.10.0-33-amd64\n",
      "/proc/sys/kernel/unprivileged_userns_clone": "0\n",
      "/lib/modules/5.10.0-33-amd64/modules.dep":
        "kernel/fs/overlayfs/overlay.ko:\nkernel/net/netfilter/nf_tables.ko:\n",
    },
    refusal: { call: "clone3", errno: "EPERM" },
  });
  expect(at(host, "failure")).toEqual(["kernel", "user namespaces"]);
  expect(of(host, "overlayfs")?.found).toBe("there, but not in user namespaces");
  expect(of(host, "id-mapped mounts")?.level).toBe("warning");
  expect(of(host, "user namespaces")?.remedy).toBe("sudo sysctl -w kernel.unprivileged_userns_clone=1");
});

test("user namespaces that are switched off cost root's jobs their own ids only", () => {
  const host = madeHost({ files: { "/proc/sys/user/max_user_namespaces": "0\n" } });
  expect(of(host, "user namespaces")).toEqual({
    group: "Isolation",
    name: "user namespaces",
    level: "failure",
    found: "user.max_user_namespaces is 0",
    cost: "jobs start only with --userns host",
    remedy: "sysctl -w user.max_user_namespaces=15000",
  });
});

test("root of a container in a user namespace is treated as an ordinary user, and told so", () => {
  const host = madeHost({
    links: { "/proc/self/ns/user": "user:[4026532277]" },
    files: {
      "/proc/self/status": status(0, ALL),
      "/proc/self/uid_map": "         0     100000      65536\n",
      "/proc/self/mountinfo": `${MOUNTS_V2}90 23 0:5 /null /proc/kcore rw - devtmpfs udev rw\n`,
      "/etc/subuid": "",
      "/etc/subgid": "",
    },
  });
  expect(at(host, "failure")).toEqual(["proc"]);
  expect(at(host, "warning")).toEqual(["privileges", "subordinate ids", "landlock"]);
});

test("subordinate ids: the package, the ranges that are free, and no_new_privs", () => {
  const files = { "/etc/subuid": "bob:100000:65536\n", "/etc/subgid": "bob:100000:65536\n" };
  const nothing = of(madeHost({ uid: 1000, files, programs: [] }), "subordinate ids");
  expect(nothing?.found).toBe("newuidmap is not installed; alice has none in /etc/subuid");
  expect(nothing?.remedy).toBe(
    "sudo apt-get install uidmap && sudo usermod --add-subuids 165536-231071 alice && sudo usermod --add-subgids 165536-231071 alice",
  );
  const plain = of(madeHost({ uid: 1000, raises: false }), "subordinate ids");
  expect(plain?.remedy).toBe("sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap");
  const tied = { "/proc/self/status": status(1000, "0", { NoNewPrivs: "1" }) };
  expect(of(madeHost({ uid: 1000, files: tied }), "subordinate ids")?.found).toBe(
    "newuidmap has no rights here: no_new_privs is set",
  );
});
