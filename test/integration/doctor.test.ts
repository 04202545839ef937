// `tele doctor` as a process: for root, for an ordinary user, and where something real stands in a job's way.
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finding } from "#host/doctor/finding.ts";
import { thisHost } from "#host/look.ts";
import { TELE } from "#test/support/cli-run.ts";
import { need, programPath } from "#test/support/needs.ts";

/** An id that no account has, so nothing was ever given to it. */
const NOBODY_ELSE = "61234";
const AS_USER = ["setpriv", "--reuid", NOBODY_ELSE, "--regid", NOBODY_ELSE, "--clear-groups", "--"];

interface Report {
  readonly status: number | null;
  readonly starts: boolean;
  readonly of: (name: string) => Finding | undefined;
}

function run(words: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const [program = "", ...args] = words;
  return spawnSync(program, args, {
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0" },
  });
}

function doctor(...before: string[]): Report {
  const { status, stdout, stderr } = run([...before, ...TELE, "doctor", "--json"]);
  if (stdout === "") throw new Error(`tele doctor said nothing: ${stderr}`);
  const { starts, findings } = JSON.parse(stdout) as { starts: boolean; findings: Finding[] };
  return { status, starts, of: (name) => findings.find((finding) => finding.name === name) };
}

/** Runs a script of sh in a mount namespace of its own, which takes its mounts away again; `$@` is tele doctor. */
function doctorAfter(script: string): Report {
  return doctor("unshare", "--mount", "sh", "-ec", script, "sh");
}

test("root and an ordinary user can both start jobs, each in their own way", () => {
  need("root", "userns", "setpriv");
  const root = doctor();
  expect([root.status, root.starts, root.of("privileges")?.level]).toEqual([0, true, "ok"]);
  const user = doctor(...AS_USER);
  expect([user.status, user.starts, user.of("privileges")?.level]).toEqual([0, true, "ok"]);
  expect(user.of("privileges")?.found).toContain(`user ${NOBODY_ELSE}`);
  expect(user.of("subordinate ids")?.remedy).toContain(`--add-subuids`);
  expect(user.of("certificates")?.level).toBe("ok");
});

test("a covered part of /proc keeps a user's jobs from starting, as the kernel does, but not root's", () => {
  need("root", "userns", "setpriv", "unshare");

  const root = doctorAfter('mount -t tmpfs none /proc/bus; exec "$@"');
  expect(root.of("proc")?.level).toBe("ok");
  const covered = doctorAfter(`mount -t tmpfs none /proc/bus; exec ${AS_USER.join(" ")} "$@"`);
  expect([covered.status, covered.starts]).toEqual([1, false]);
  expect(covered.of("proc")).toMatchObject({ level: "failure", found: "covered: bus" });
  const kernel = run([
    "unshare",
    "--mount",
    "sh",
    "-ec",
    `mount -t tmpfs none /proc/bus; exec ${AS_USER.join(" ")} unshare -Urpf --mount-proc true`,
  ]);
  expect(kernel.status).not.toBe(0);
});

test("a limit of no user namespaces is found, and the attempt agrees", () => {
  need("root", "userns", "unshare");
  // The limit of a user namespace of its own: the machine's stays as it is.
  const none = doctor("unshare", "-Ur", "sh", "-ec", 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"', "sh");
  expect(none.status).toBe(1);
  expect(none.of("user namespaces")).toMatchObject({ level: "failure", found: "user.max_user_namespaces is 0" });
  expect(none.of("privileges")?.found).toBe("root of a user namespace, not of the machine");
});

test("a chroot is found, by its mounts or by what the kernel says", () => {
  need("root", "userns", "unshare");
  const report = doctorAfter('mount --rbind / /mnt; exec chroot /mnt "$@"');
  expect(report.status).toBe(1);
  expect(report.of("user namespaces")?.level).toBe("failure");
  expect(report.of("user namespaces")?.found).toContain("in a chroot");
});

test("the text goes by groups, without colours where there is no terminal", () => {
  const { status, stdout, stderr } = run([...TELE, "doctor"]);
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toStartWith("Kernel\n  ok       kernel ");
  for (const group of ["Isolation", "Limits", "Files", "Network", "Machines", "Certificates"])
    expect(stdout).toContain(`\n\n${group}\n`);
  expect(stdout).not.toContain("\u001b");
  expect(stdout).toMatch(/Jobs of this user start here; .*\.\n$/);
});

test("the profile for AppArmor is printed and nothing else is done", () => {
  const { status, stdout } = run([...TELE, "doctor", "--print-apparmor"]);
  expect(status).toBe(0);
  expect(stdout).toContain(`profile tele "${process.execPath}" flags=(unconfined)`);
});

test("a program is seen to raise rights by its mode, and by capabilities on its file", () => {
  need("root", "setcap", "true");
  const folder = mkdtempSync(join(tmpdir(), "tele-doctor-"));
  try {
    const program = join(folder, "program");
    copyFileSync(programPath("true") ?? "", program);
    chmodSync(program, 0o755);
    expect(thisHost.raises(program)).toBe(false);
    chmodSync(program, 0o4755);
    expect(thisHost.raises(program)).toBe(true);
    chmodSync(program, 0o755);
    expect(run(["setcap", "cap_setuid+ep", program]).status).toBe(0);
    expect(thisHost.raises(program)).toBe(true);
    expect(thisHost.raises(join(folder, "nothing"))).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
