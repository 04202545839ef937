// What `tele doctor` says of a kernel and of a process: each fault with its cost and its remedy.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { examineHost } from "#host/doctor.ts";
import { appArmorProfileText } from "#host/doctor/apparmor.ts";
import { GROUPS } from "#host/doctor/finding.ts";
import { landlock, namespaces, seccomp, securityModule, timeNamespace } from "#host/doctor/isolation.ts";
import { atLeast, kernel, memfd, privileges, ptrace } from "#host/doctor/kernel.ts";
import { kvm, nftables, overlay } from "#host/doctor/resources.ts";
import { ALL, DOCKER, madeHost, status } from "#test/support/doctor-hosts.ts";

test("kernels from 5.14 on are enough, however their release is spelt", () => {
  for (const release of [
    "5.14.0",
    "5.15.167.4-microsoft-standard-WSL2",
    "6.1.0-28-amd64",
    "6.18.5\n",
    "10.0.0-rc1",
    "6.2-rc1",
  ])
    expect([release, kernel(release).level]).toEqual([release, "ok"]);
  for (const release of ["5.13.19-2-pve", "5.10.0-33-cloud-amd64", "4.18.0-553.el8", "3.10.0", ""]) {
    const { level, cost, remedy } = kernel(release);
    expect([release, level, remedy]).toEqual([release, "failure", "boot Linux 5.14 or newer"]);
    expect(cost).toStartWith("no job starts: it lacks ");
  }
});

test("a kernel is told by name what it lacks", () => {
  expect(kernel("5.10.0-33-cloud-amd64").cost).toBe("no job starts: it lacks mount_setattr (5.12), cgroup.kill (5.14)");
  expect(kernel("6.1.0-28-amd64").found).toBe(
    "Linux 6.1.0-28-amd64; newer ones add Landlock for truncation (6.2), id-mapped tmpfs (6.3), Landlock for devices (6.10)",
  );
  expect(kernel("6.18.44").found).toBe("Linux 6.18.44");
  expect(kernel("").found).toBe("Linux of unknown release");
});

test("versions are compared by number, not by letter", () => {
  expect(atLeast("5.9.1", [5, 10])).toBe(false);
  expect(atLeast("5.10", [5, 9])).toBe(true);
  expect(atLeast("10.0", [9, 99])).toBe(true);
  expect(atLeast("rubbish", [0, 1])).toBe(false);
});

test("root with every capability may make sandboxes", () => {
  expect(privileges(madeHost())).toEqual({
    group: "Kernel",
    name: "privileges",
    level: "ok",
    found: "root with what a sandbox takes",
  });
});

test("root in a container is told which capabilities it lacks, and that tele run needs none", () => {
  const finding = privileges(madeHost({ files: { "/proc/self/status": status(0, DOCKER) } }));
  expect(finding.level).toBe("warning");
  expect(finding.found).toBe("root without CAP_NET_ADMIN, CAP_SYS_ADMIN");
  expect(finding.cost).toBe("tele serve starts no job; tele run does, as for an ordinary user");
  expect(finding.remedy).toBe("give this container or service CAP_NET_ADMIN, CAP_SYS_ADMIN");
});

test("root of a user namespace is not taken for the machine's", () => {
  const finding = privileges(madeHost({ links: { "/proc/self/ns/user": "user:[4026532277]" } }));
  expect([finding.level, finding.found]).toEqual(["warning", "root of a user namespace, not of the machine"]);
});

test("an ordinary user is no failure: tele run needs no more", () => {
  expect(privileges(madeHost({ uid: 1000 }))).toMatchObject({
    level: "ok",
    found: "user alice: enough for tele run; tele serve needs root",
  });
  expect(privileges(madeHost({ uid: 4711 })).found).toStartWith("user 4711:");
});

test("capabilities that an execve would take away do not count", () => {
  const files = (ambient: string): Record<string, string> => ({
    "/proc/self/status": status(1000, ALL, { CapAmb: ambient }),
  });
  expect(privileges(madeHost({ uid: 1000, files: files("0000000000000000") })).found).toStartWith("user alice");
  expect(privileges(madeHost({ uid: 1000, files: files(ALL) })).found).toBe("what a sandbox takes");
});

test("memfds that may not be executed keep jobs from starting", () => {
  const at = (level: string): string => memfd(madeHost({ files: { "/proc/sys/vm/memfd_noexec": level } })).level;
  expect(["", "0\n", "1\n", "2\n"].map(at)).toEqual(["ok", "ok", "ok", "failure"]);
});

test("only Yama's strictest scope costs something", () => {
  const at = (scope: string) => ptrace(madeHost({ files: { "/proc/sys/kernel/yama/ptrace_scope": scope } }));
  expect(["", "0\n", "1\n", "2\n"].map((scope) => at(scope).level)).toEqual(["ok", "ok", "ok", "ok"]);
  expect(at("").found).toBe("any process of the same user (no Yama)");
  expect(at("1\n").found).toBe("only descendants (Yama 1)");
  expect(at("3\n")).toMatchObject({ level: "warning", found: "nobody (Yama 3)" });
});

test("a missing kind of namespace is named", () => {
  const finding = namespaces(madeHost({ links: { "/proc/self/ns/ipc": "", "/proc/self/ns/cgroup": "" } }));
  expect([finding.level, finding.found]).toEqual(["failure", "the kernel was built without: ipc, cgroup"]);
  expect(timeNamespace(madeHost({ links: { "/proc/self/ns/time": "" } })).cost).toContain("--clock");
});

test("seccomp: filters, notification, or neither", () => {
  expect(seccomp(madeHost()).map(({ level }) => level)).toEqual(["ok", "ok"]);
  const old = seccomp(
    madeHost({ files: { "/proc/sys/kernel/seccomp/actions_avail": "kill trap errno trace allow\n" } }),
  );
  expect(old.map(({ level }) => level)).toEqual(["ok", "warning"]);
  expect(old[1]?.found).toBe("the kernel has none");
  const hidden = seccomp(madeHost({ files: { "/proc/sys/kernel/seccomp/actions_avail": "" } }));
  expect(hidden.map(({ level }) => level)).toEqual(["ok", "warning"]);
  const none = seccomp(madeHost({ files: { "/proc/self/status": "Name:\ttele\n" } }));
  expect(none.map(({ level }) => level)).toEqual(["failure"]);
});

test("Landlock by its ABI; switched off, the remedy has the command line to boot with", () => {
  expect([1, 2, 3, 7].map((abi) => landlock(madeHost({ landlock: abi })).level)).toEqual([
    "warning",
    "warning",
    "ok",
    "ok",
  ]);
  const files = { "/sys/kernel/security/lsm": "lockdown,capability,yama,apparmor" };
  expect(landlock(madeHost({ landlock: 0, files })).remedy).toContain(
    "lsm=landlock,lockdown,capability,yama,apparmor ",
  );
  const old = { "/proc/sys/kernel/osrelease": "5.10.0-33-amd64\n" };
  expect(landlock(madeHost({ landlock: 0, files: old })).remedy).toBe("boot Linux 6.2 or newer");
});

test("security modules are named with what this process is to them", () => {
  expect(securityModule(madeHost()).found).toBe("neither AppArmor nor SELinux");
  const apparmor = { "/sys/module/apparmor/parameters/enabled": "Y\n" };
  const under = (profile: string): string =>
    securityModule(madeHost({ files: { ...apparmor, "/proc/self/attr/current": profile } })).found;
  expect(under("unconfined\n")).toBe("AppArmor, this process unconfined");
  expect(under("docker-default (enforce)\n")).toBe("AppArmor, this process under docker-default (enforce)");
  const selinux = {
    "/sys/fs/selinux/enforce": "1",
    "/proc/self/attr/current": "unconfined_u:unconfined_r:unconfined_t:s0\0",
  };
  expect(securityModule(madeHost({ files: selinux })).found).toBe(
    "SELinux enforcing, unconfined_u:unconfined_r:unconfined_t:s0",
  );
});

test("modules count when they are in use, built in, listed for loading, or in the kernel's configuration", () => {
  const bare = { "/lib/modules/6.1.0-28-amd64/modules.dep": "" };
  expect(overlay(madeHost({ files: bare })).level).toBe("warning");
  for (const file of [
    { "/proc/filesystems": "nodev\toverlay\n" },
    { "/sys/module/overlay": "(directory)" },
    { "/lib/modules/6.1.0-28-amd64/modules.builtin": "kernel/fs/overlayfs/overlay.ko\n" },
    { "/boot/config-6.1.0-28-amd64": "CONFIG_OVERLAY_FS=y\n" },
  ])
    expect([file, overlay(madeHost({ files: { ...bare, ...file } })).level]).toEqual([file, "ok"]);
  expect(nftables(madeHost({ files: bare })).remedy).toBe(
    "sudo modprobe nf_tables, or boot a kernel with CONFIG_NF_TABLES",
  );
});

test("packages are installed by the distribution's own tool", () => {
  const remedy = (release: string) =>
    nftables(madeHost({ programs: [], files: { "/etc/os-release": release } })).remedy;
  expect(remedy("ID=ubuntu\nID_LIKE=debian\n")).toBe("sudo apt-get install nftables");
  expect(remedy('ID="rocky"\nID_LIKE="rhel centos fedora"\n')).toBe("sudo dnf install nftables");
  expect(remedy("ID=alpine\n")).toBe("sudo apk add nftables");
  expect(remedy("ID=arch\n")).toBe("sudo pacman -S nftables");
  expect(remedy('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n')).toBe("sudo zypper install nftables");
  expect(remedy("ID=nixos\n")).toBe("install the package nftables");
});

test("KVM that is there but not for this user, that is off, and that the processor has not", () => {
  expect(kvm(madeHost()).level).toBe("ok");
  expect(kvm(madeHost({ uid: 1000 })).remedy).toBe("sudo usermod --append --groups kvm alice # then log in anew");
  expect(kvm(madeHost({ uid: 1000, files: { "/etc/group": "" } })).remedy).toBe("sudo setfacl -m u:alice:rw /dev/kvm");
  expect(kvm(madeHost({ files: { "/dev/kvm": "" } })).remedy).toBe("sudo modprobe kvm_intel");
  expect(kvm(madeHost({ files: { "/dev/kvm": "", "/proc/cpuinfo": "flags : fpu svm\n" } })).remedy).toContain(
    "kvm_amd",
  );
  expect(kvm(madeHost({ files: { "/dev/kvm": "", "/proc/cpuinfo": "" } })).remedy).toContain("firmware");
});

test("the AppArmor profile names the binary and allows user namespaces", () => {
  const text = appArmorProfileText("/usr/local/bin/tele");
  expect(text).toContain('profile tele "/usr/local/bin/tele" flags=(unconfined) {\n  userns,\n');
});

test("every finding of this host names what it is about; what is not well has a cost and a remedy", () => {
  const findings = examineHost();
  const names = findings.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of ["kernel", "privileges", "user namespaces", "subordinate ids", "cgroup layout", "memfd", "kvm"])
    expect(names).toContain(name);
  for (const { level, found, cost, remedy } of findings) {
    expect(found).not.toBe("");
    expect([cost !== undefined, remedy !== undefined]).toEqual([level !== "ok", level !== "ok"]);
  }
  expect(findings[0]?.found).toStartWith(`Linux ${readFileSync("/proc/sys/kernel/osrelease", "utf8").trim()}`);
  const order = findings.map(({ group }) => GROUPS.indexOf(group));
  expect(order).toEqual(order.toSorted((a, b) => a - b));
});
