// Paths of a spec that try to lead somewhere else: `..`, links, and the magic links of /proc.
import { expect } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { JobSpecSchema, type JobSpecInput } from "#spec/schema.ts";
import { refusal, supervised } from "#test/support/supervisor.ts";

/** A directory of the host with `content/here` in it, gone afterwards. */
async function shared(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync("/var/tmp/tele-paths-");
  chmodSync(directory, 0o755);
  mkdirSync(join(directory, "content"));
  writeFileSync(join(directory, "content", "here"), "");
  const before = readFileSync("/proc/self/mountinfo", "utf8");
  try {
    await body(directory);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).toBe(before);
    expect(readdirSync(join(directory, "content"))).toEqual(["here"]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

supervised("a target with '..' is refused, however it is written", async () => {
  for (const target of ["/tmp/../etc", "/tmp/..", "/..", "/tmp/x/../../etc/", "/tmp//../../etc"]) {
    const parsed = JobSpecSchema.safeParse({ command: ["/bin/true"], mounts: [{ type: "tmpfs", target }] });
    expect(
      parsed.error?.issues.map(({ path }) => path.join("/")),
      target,
    ).toEqual(["mounts/0/target"]);
  }
  await Promise.resolve();
});

supervised("a source that leads through a magic link of /proc is refused", async (bench) => {
  await shared(async (directory) => {
    symlinkSync("/proc/self/root", join(directory, "link"));
    const sources = [
      "/proc/self/root",
      "/proc/self/root/etc",
      "/proc/self/cwd",
      "/proc/thread-self/root",
      "/proc/1/root/etc",
      "/proc/self/fd/3",
    ];
    for (const source of [...sources, join(directory, "link"), join(directory, "link", "etc")]) {
      const error = await refusal(
        bench.start({ mounts: [{ type: "bind", source, target: "/tmp/at", readOnly: true }] }),
      );
      expect(
        error.fields.faults?.map(({ pointer }) => pointer),
        source,
      ).toContain("/mounts/0/source");
    }
  });
});

supervised(
  "a target that is a link to outside ends inside of the job's root, and the host sees nothing of it",
  async (bench) => {
    await shared(async (directory) => {
      mkdirSync(join(directory, "inside"));
      const links = {
        absolute: join(directory, "inside"),
        up: "../../../../../../../..",
        magic: "/proc/self/root/tmp",
      };
      for (const [name, to] of Object.entries(links)) symlinkSync(to, join(directory, name));
      const mounts = (target: string): Partial<JobSpecInput> => ({
        mounts: [{ type: "bind", source: join(directory, "content"), target, readOnly: true }],
      });
      const { text } = await bench.run(`ls ${directory}/inside`, mounts(join(directory, "absolute")));
      expect(text).toBe("here\n");
      expect(readdirSync(join(directory, "inside"))).toEqual([]);
      // Up from anywhere is the job's own root, which is no place for a mount.
      const error = await refusal(bench.start({ command: ["/bin/true"], ...mounts(join(directory, "up")) }));
      expect(error.fields.faults?.map(({ pointer }) => pointer)).toEqual(["/mounts/0/target"]);
      // The root of whoever looks is the job's too.
      expect((await bench.run("ls /tmp", mounts(join(directory, "magic")))).text).toBe("here\n");
      // Below /tmp what is missing is made: in the job's own, whatever the host's has by that name.
      const own = await bench.run("ls /tmp/made/deep", mounts("/tmp/made/deep"));
      expect(own.text).toBe("here\n");
    });
  },
);

supervised("a working directory with '..' or links stays inside", async (bench) => {
  await shared(async (directory) => {
    symlinkSync("../../../../../../../../..", join(directory, "up"));
    for (const workdir of ["/tmp/../../../../..", join(directory, "up"), "/proc/self/root", "/proc/self/cwd"]) {
      const { job, text } = await bench.run("pwd -P; ls -A /tmp", { workdir });
      expect(job.end?.exitCode, workdir).toBe(0);
      // Its own /tmp is empty; the host's never is while this test runs.
      expect(text, workdir).toBe("/\n");
    }
  });
});

supervised("what one job leaves behind no other job finds, and no two jobs have the same ids", async (bench) => {
  const left = await bench.start({
    command: [
      "/bin/sh",
      "-c",
      "for d in /tmp /run /dev/shm; do echo mine > $d/secret; done; echo ready; exec sleep 60",
    ],
  });
  const other = await bench.run(
    "cat /tmp/secret /run/secret /dev/shm/secret /proc/[0-9]*/root/tmp/secret 2>/dev/null; ls -d /proc/[0-9]* | wc -l",
  );
  expect(other.text).not.toContain("mine");
  // PID 1, the shell, ls and wc.
  expect(Number(other.text.trim())).toBeLessThanOrEqual(4);
  const [one, two] = [left.userns, other.job.userns];
  expect(one && two && (one.start + one.count <= two.start || two.start + two.count <= one.start)).toBe(true);
});

supervised(
  "what a job makes on a writable mount belongs to the host's user of the same number, and no bit of it counts inside",
  async (bench) => {
    await shared(async (directory) => {
      mkdirSync(join(directory, "work"));
      chmodSync(join(directory, "work"), 0o700);
      const { text } = await bench.run(
        "cp /bin/true /mnt/file && chmod 4755 /mnt/file && stat -c '%u %a' /mnt/file; grep ' /mnt ' /proc/self/mountinfo",
        {
          mounts: [{ type: "bind", source: join(directory, "work"), target: "/mnt" }],
        },
      );
      expect(text).toMatch(/^0 4755\n/);
      expect(text).toMatch(/nosuid,nodev/);
    });
  },
);
