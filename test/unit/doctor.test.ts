// What `tele doctor` says of a kernel and of a process: each fault with its cost and its remedy.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { examineHost, kernel, privileges } from "#host/doctor.ts";

test("kernels from 5.14 on are enough, however their release is spelt", () => {
  for (const release of ["5.14.0", "5.15.167.4-microsoft-standard-WSL2", "6.1.0-28-amd64", "6.18.5\n", "10.0.0-rc1"])
    expect([release, kernel(release).level]).toEqual([release, "ok"]);
  for (const release of ["5.13.19-2-pve", "5.10.0-33-cloud-amd64", "4.18.0-553.el8", "3.10.0", ""]) {
    const { level, cost, remedy } = kernel(release);
    expect([release, level, cost, remedy]).toEqual([release, "failure", "no job starts", "boot Linux 5.14 or newer"]);
  }
});

const status = (mask: string): string =>
  `CapInh:\t0000000000000000\nCapPrm:\t0\nCapEff:\t${mask}\nCapBnd:\tffffffffffffffff\n`;

test("root with every capability may make sandboxes", () => {
  expect(privileges(status("000001ffffffffff"), 0)).toEqual({
    name: "privileges",
    level: "ok",
    found: "root with what a sandbox takes",
  });
});

test("root in a container is told which capabilities it lacks", () => {
  // Docker's default set.
  const finding = privileges(status("00000000a80425fb"), 0);
  expect(finding.level).toBe("failure");
  expect(finding.found).toBe("root without CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN");
  expect(finding.remedy).toBe("give this container or service CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN");
  expect(privileges(status("00000000a82c35fb"), 0).found).not.toContain("CAP_SYS_PTRACE");
  expect(privileges("", 0).level).toBe("failure");
});

test("an ordinary user is told to use sudo", () => {
  expect(privileges(status("0000000000000000"), 1000)).toMatchObject({
    level: "failure",
    found: "user 1000",
    remedy: "run it with sudo",
  });
});

test("every finding of this host names what it is about; what is not well has a cost and a remedy", () => {
  const findings = examineHost();
  const names = findings.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of ["kernel", "privileges", "cgroup layout", "cpu controller", "memory controller", "memfd"])
    expect(names).toContain(name);
  for (const { level, found, cost, remedy } of findings) {
    expect(found).not.toBe("");
    expect([cost !== undefined, remedy !== undefined]).toEqual([level !== "ok", level !== "ok"]);
  }
  expect(findings[0]?.found).toBe(`Linux ${readFileSync("/proc/sys/kernel/osrelease", "utf8").trim()}`);
});
