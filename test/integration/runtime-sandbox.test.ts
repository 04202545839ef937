// What a job sees of the host, and what it can do to it: the isolation of the defaults, from inside.
import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname } from "node:os";
import { join, relative } from "node:path";
import { lookupUser } from "#host/users.ts";
import { SystemError } from "#ffi/call.ts";
import { launch } from "#runtime/launch.ts";
import { need } from "#test/support/needs.ts";
import { type Bench, idOf, makePlace, openBench, supervised, TEST_MS } from "#test/support/supervisor.ts";
import { expectNoLeaks } from "#test/support/leaks.ts";

/** Runs a command that must succeed and gives its output. */
async function output({ start, ended, text }: Bench, command: string[], spec = {}): Promise<string> {
  const job = await ended(await start({ command, ...spec }));
  expect([command, job.end?.exitCode, text(job)]).toEqual([command, 0, text(job)]);
  return text(job);
}

supervised("the environment is the job's own and nothing else", async (bench) => {
  process.env["TELE_TEST_SECRET"] = "secret";
  try {
    const plain = await output(bench, ["/usr/bin/env"]);
    expect(plain.trim().split("\n").sort()).toEqual([
      "HOME=/root",
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]);
    const given = await output(bench, ["/usr/bin/env"], { env: { HOME: "/tmp", EMPTY: "", ÜMLAUT: "ß = ü\n" } });
    expect(given).toContain("HOME=/tmp\nEMPTY=\nÜMLAUT=ß = ü\n\n");
  } finally {
    delete process.env["TELE_TEST_SECRET"];
  }
});

supervised("signals, mask, umask and descriptors start clean", async (bench) => {
  const status = await output(bench, ["/bin/grep", "-E", "^(Sig(Blk|Ign)|Umask):", "/proc/self/status"]);
  expect(status.replaceAll(/\s+/g, " ").trim()).toBe(`Umask: 0022 SigBlk: ${"0".repeat(16)} SigIgn: ${"0".repeat(16)}`);
  // 3 is the directory that ls itself reads.
  const descriptors = await output(bench, ["/bin/ls", "-l", "/proc/self/fd"]);
  const targets = [...descriptors.matchAll(/ (\d+) -> (\S+)/g)].map(([, number, target]) => `${number} ${target}`);
  expect(targets.map((line) => line.replace(/:\[\d+\]/, "").replace(/\d+\/fd$/, "N/fd"))).toEqual([
    "0 /dev/null",
    "1 pipe",
    "2 pipe",
    "3 /proc/N/fd",
  ]);
  const limits = await output(bench, ["/bin/sh", "-c", "ulimit -Sn"], { limits: { nofile: 77 } });
  expect(limits).toBe("77\n");
});

supervised("a job has no capability, in any set, and can gain none", async (bench) => {
  const status = await output(bench, ["/bin/grep", "-E", "^(Cap|NoNewPrivs)", "/proc/self/status"]);
  const none = "0".repeat(16);
  expect(
    Object.fromEntries(
      status
        .trim()
        .split("\n")
        .map((line) => line.split(/:\s+/)),
    ),
  ).toEqual({
    CapInh: none,
    CapPrm: none,
    CapEff: none,
    CapBnd: none,
    CapAmb: none,
    NoNewPrivs: "1",
  });
  const { job, text } = await bench.run("chown 1 /tmp; mount -t tmpfs none /mnt; hostname other; chroot / true; true");
  expect(job.end?.exitCode).toBe(0);
  expect(text.match(/not permitted|permission denied|must be (?:root|superuser)/gi)?.length).toBe(4);
});

supervised("it runs as the user that was asked for, with that user's groups", async (bench) => {
  const withGroups = readFileSync("/etc/group", "utf8")
    .split("\n")
    .flatMap((line) => line.split(":")[3]?.split(",") ?? [])
    .filter((name) => name !== "" && name !== "root" && lookupUser(name).uid !== 0);
  for (const user of ["nobody", ...withGroups.slice(0, 1)]) {
    const { uid, gid, groups } = lookupUser(user);
    const text = await output(bench, ["/bin/sh", "-c", "id -u; id -g; id -G; echo $HOME"], { user });
    const [asUid, asGid, asGroups = "", home] = text.trim().split("\n");
    expect([asUid, asGid, home]).toEqual([String(uid), String(gid), lookupUser(user).home]);
    expect(new Set(asGroups.split(" ").map(Number))).toEqual(new Set([gid, ...groups]));
  }
  const numbers = await output(bench, ["/bin/sh", "-c", "id -u; id -g; id -G"], { user: "12345:23456" });
  expect(numbers).toBe("12345\n23456\n23456\n");
});

supervised("its host name and working directory are its own", async (bench) => {
  const show = "cat /proc/sys/kernel/hostname; pwd";
  expect(await output(bench, ["/bin/sh", "-c", show])).toBe("sandbox\n/\n");
  const named = await output(bench, ["/bin/sh", "-c", show], { hostname: "other.example", workdir: "/usr/lib" });
  expect(named).toBe("other.example\n/usr/lib\n");
  expect(readFileSync("/proc/sys/kernel/hostname", "utf8").trim()).toBe(hostname());
});

supervised("the host's root is read-only, /tmp and /run are private and gone afterwards", async (bench) => {
  const name = `tele-test-${process.pid}`;
  const { text } = await bench.run(
    `LC_ALL=C; for path in / /etc /usr/bin /var/tmp /root /sys /proc/sys/kernel; do touch $path/${name} 2>&1; done
     ls -A /tmp /run; echo mine > /tmp/${name} && echo mine > /run/${name} && cat /tmp/${name} /run/${name}`,
  );
  const lines = text.trim().split("\n");
  // The job's root is nobody on the host, and may not even look into root's home.
  const refused = lines.filter((line) => /Read-only file system|No such file|\/root\/.*Permission denied/.test(line));
  expect(refused.length).toBe(7);
  expect(lines.filter((line) => line.includes("Read-only file system")).length).toBeGreaterThanOrEqual(5);
  expect(lines.filter((line) => !refused.includes(line))).toEqual(["/run:", "", "/tmp:", "mine", "mine"]);
  for (const path of ["/tmp", "/run", "/etc", "/"]) expect(existsSync(join(path, name))).toBe(false);
});

supervised("it sees its own processes, and PID 1 is the tether", async (bench) => {
  const { text } = await bench.run(
    "cat /proc/1/comm; ls /proc | grep -c '^[0-9]'; echo $$; kill -0 1 2>/dev/null; echo $?",
  );
  const [comm, count, own, may] = text.trim().split("\n");
  // No signal: the tether is a user of the host, which has no id in the job's user namespace.
  expect([comm, own, may]).toEqual(["tele-tether", "2", "1"]);
  // The tether, the shell, ls and grep.
  expect(Number(count)).toBeLessThanOrEqual(4);
  const prying = await bench.run(
    "for what in exe root cwd fd environ mem; do cat /proc/1/$what; ls /proc/1/$what/; done 2>&1 >/dev/null; true",
  );
  expect(prying.text).not.toContain("tele-test-");
  expect(prying.text.match(/denied/gi)?.length).toBeGreaterThanOrEqual(5);
});

supervised("nothing of the host's kernel can be set, no trigger pulled", async (bench) => {
  const { text } = await bench.run(
    `LC_ALL=C; for file in /proc/sys/kernel/domainname /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/irq/default_smp_affinity; do
       [ -e $file ] && sh -c "echo 0 > $file"; done; cat /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware; true`,
  );
  const refused = text.split("\n").filter((line) => line.includes("Read-only file system"));
  expect(refused.length).toBeGreaterThanOrEqual(3);
  expect(
    text
      .split("\n")
      .filter((line) => line !== "" && !/cannot create|^\/proc\/acpi|^\/sys\/firmware|No such/.test(line)),
  ).toEqual([]);
});

supervised("its /dev has the usual nodes, and none of the host's disks or memory", async (bench) => {
  const names = (await output(bench, ["/bin/ls", "/dev"])).trim().split("\n");
  const usual = [
    "console",
    "fd",
    "full",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "urandom",
    "zero",
  ];
  expect(names.filter((name) => name !== "mqueue")).toEqual(usual.filter((name) => name !== "mqueue"));
  const { text, job } = await bench.run(
    "LC_ALL=C; head -c 4 /dev/zero | od -An -tx1; echo x > /dev/null; mknod /tmp/disk b 8 0; mknod /dev/mem c 1 1; echo $?",
  );
  expect(job.end?.exitCode).toBe(0);
  expect(text).toContain("00 00 00 00");
  // No node of its own anywhere, and /dev itself is the host root's.
  expect(text.match(/not permitted|permission denied/gi)?.length).toBe(2);
});

supervised("its network is a loopback of its own that is up, and nothing else", async (bench) => {
  need("bash", "perl");
  const server = createServer((socket) => socket.end("host"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    expect((await output(bench, ["/bin/ls", "/sys/class/net"])).trim()).toBe("lo");
    const devices = await output(bench, ["/bin/cat", "/proc/net/dev"]);
    expect([...devices.matchAll(/^\s*(\S+):/gm)].map(([, name]) => name)).toEqual(["lo"]);
    const listener = "my $c = $s->accept; print $c qq(inside\\n)";
    const ping = await output(bench, [
      "/bin/bash",
      "-c",
      `perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 7777); ${listener}' &
       until exec 3<>/dev/tcp/127.0.0.1/7777; do sleep 0.02; done 2>/dev/null; cat <&3; wait`,
    ]);
    expect(ping).toBe("inside\n");
    const outside = await bench.start({ command: ["/bin/bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port}`] });
    expect((await bench.ended(outside)).end?.exitCode).toBe(1);
    expect(bench.text(outside)).toContain("Connection refused");
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

for (const [how, path] of [
  ["as they are", (real: string) => real],
  ["named from the working directory", (real: string) => relative(process.cwd(), real)],
  [
    "behind a symbolic link",
    (real: string) => {
      symlinkSync(real, `${real}-link`);
      return `${real}-link`;
    },
  ],
] as const) {
  test(
    `keys and state are hidden, ${how}`,
    async () => {
      // Not below /tmp, which is hidden in any case.
      const folder = mkdtempSync("/var/tmp/tele-test-");
      // Open to everybody, so that it is the cover which hides them and not their owner.
      chmodSync(folder, 0o755);
      const keys = mkdtempSync(join(folder, "keys-"));
      const state = mkdtempSync(join(folder, "state-"));
      for (const open of [keys, state]) chmodSync(open, 0o755);
      writeFileSync(join(keys, "ca.key"), "secret");
      const place = { ...makePlace(), stateDirectory: path(state) };
      try {
        await expectNoLeaks({ ...place, stateDirectory: state }, async () => {
          const bench = await openBench(place, { hide: [path(keys)] });
          try {
            const { job, text } = await bench.run(`ls -A ${keys} ${state}; cat ${keys}/ca.key ${state}/state.db`);
            expect(text).not.toContain("secret");
            expect(
              text
                .split("\n")
                .filter((line) => !line.includes("No such file"))
                .join("\n"),
            ).toBe(`${keys}:\n\n${state}:\n`);
            await bench.supervisor.remove(idOf(job));
          } finally {
            await bench.close();
          }
        });
      } finally {
        rmSync(folder, { recursive: true });
        rmSync(join(place.stateDirectory, ".."), { recursive: true, force: true });
      }
    },
    TEST_MS,
  );
}

test("no tether is started in the host's own namespaces, where it would do to the host what it does to a sandbox", () => {
  // No program: were it launched all the same, execveat would say ENOEXEC.
  const request = { tether: new Uint8Array(8), record: 0, stdin: 0, cgroup: [] };
  const [newPid, newNs, newNet] = [0x2000_0000, 0x2_0000, 0x4000_0000];
  for (const namespaces of [0, newNet, newPid, newNs, newNs | newNet, newPid | newNet])
    expect(() => launch({ ...request, namespaces })).toThrow(new SystemError("clone3", 22));
  expect(() => launch({ ...request, namespaces: newPid | newNs })).toThrow(new SystemError("execveat", 8));
});
