// One test for each hole of other runtimes that this design could have shared: the exploit's own step fails here, under the default profile.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JobSpecInput } from "#spec/schema.ts";
import { type Bench, refusal, supervised, TEST_MS } from "#test/support/supervisor.ts";
import { buildProbes, type Built } from "./build.ts";
import { type Outcome, runProbes } from "./host.ts";
import { exchanging } from "./exchange.ts";
import { TELE, TERMINAL } from "./runtimes.ts";

let built: Built;

beforeAll(() => {
  built = buildProbes();
}, TEST_MS);
afterAll(() => built.remove());

/** Runs probes by name under the default profile; with a terminal where they need one. */
async function probe(names: readonly string[], runtimes = TELE): Promise<Outcome[]> {
  const runtime = runtimes.find(({ profile }) => profile === "default");
  if (!runtime) throw new Error("no runtime with the default profile");
  const probes = built.probes.filter(({ name }) => names.includes(name));
  expect(probes.map(({ name }) => name).toSorted()).toEqual([...names].toSorted());
  return runProbes(built, runtime, probes);
}

const leaksOf = (outcomes: readonly Outcome[]): string[] =>
  outcomes.filter(({ verdict }) => verdict !== "ok").map(({ name, verdict, saw }) => `${verdict} ${name}: ${saw}`);

/** A directory of the host that jobs can be given, gone afterwards. */
async function shared(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync("/var/tmp/tele-cve-");
  chmodSync(directory, 0o755);
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Starts and waits, also where the start itself fails: then there is no output. */
async function attempt(bench: Bench, spec: Partial<JobSpecInput>): Promise<{ text: string; end: string }> {
  try {
    const job = await bench.ended(await bench.start(spec));
    return { text: bench.text(job), end: `${job.end?.reason} ${job.end?.step ?? ""} ${job.end?.exitCode ?? ""}` };
  } catch (error) {
    return { text: "", end: String(error) };
  }
}

/** Lines of a job's own mountinfo: the mount point, and of which file system it is. */
const MOUNTS = 'while read -r _ _ _ root at _ rest; do echo "mounted $at $root"; done < /proc/self/mountinfo';

supervised(
  "CVE-2019-5736: neither /proc/self/exe nor a #!/proc/self/exe script gives a job the program that starts it",
  async (bench) => {
    expect(leaksOf(await probe(["own-exe", "init-exe"]))).toEqual([]);
    await shared(async (directory) => {
      // What the exploit makes the runtime execute: itself, in the container, where it can be opened.
      const script = join(directory, "script");
      writeFileSync(script, "#!/proc/self/exe\n", { mode: 0o755 });
      const { text } = await attempt(bench, { command: [script] });
      expect(text).toBe("");
      // The same by hand: what it finds is its own program, on a tree that cannot be written.
      const self = await bench.run(
        "exec 3< /proc/self/exe; : > /proc/self/fd/3 && echo written; : > /proc/1/exe && echo written",
      );
      expect(self.text).not.toContain("written");
      expect((await bench.run("echo still here")).text).toBe("still here\n");
    });
  },
);

supervised(
  "CVE-2021-30465: a link exchanged for the target of a mount never puts it outside of the job's root, nor on its /proc",
  async (bench) => {
    await shared(async (directory) => {
      mkdirSync(join(directory, "content"));
      writeFileSync(join(directory, "content", "here"), "");
      mkdirSync(join(directory, "race", "fs"), { recursive: true });
      const before = readFileSync("/proc/self/mountinfo", "utf8");
      // /proc/fs is there in every job; a link to it is followed where links are.
      const swapped = await exchanging(built, join(directory, "race"), "/proc", async () => {
        for (let round = 0; round < 50; round++) {
          const { text, end } = await attempt(bench, {
            command: ["/bin/sh", "-c", `${MOUNTS}; test -e /proc/fs/here && echo LEAK`],
            mounts: [{ type: "bind", source: join(directory, "content"), target: join(directory, "race", "fs") }],
          });
          expect(text).not.toContain("LEAK");
          if (text === "") expect(end).toMatch(/race|ELOOP|ENOENT|mount\./);
          else expect(text).toMatch(new RegExp(`^mounted ${directory}/race(?:-other)?/fs `, "m"));
        }
      });
      expect(swapped).toBeGreaterThan(50);
      expect(readFileSync("/proc/self/mountinfo", "utf8")).toBe(before);
    });
  },
);

supervised(
  "CVE-2021-30465: a link exchanged for the source of a mount shows no directory that is hidden from jobs",
  async (bench) => {
    await shared(async (directory) => {
      mkdirSync(join(directory, "race"));
      mkdirSync(join(directory, "at"));
      const hidden = bench.stateDirectory;
      await exchanging(built, join(directory, "race"), hidden, async () => {
        for (let round = 0; round < 50; round++) {
          const { text, end } = await attempt(bench, {
            command: ["/bin/sh", "-c", MOUNTS],
            mounts: [{ type: "bind", source: join(directory, "race"), target: join(directory, "at"), readOnly: true }],
          });
          // By the link it is one of tele's own directories, and refused; what is mounted is never that one.
          if (text === "") expect(end).toMatch(/mounts\/0\/source|mount\./);
          else expect(text).toMatch(new RegExp(`^mounted ${directory}/at ${directory}/race`, "m"));
        }
      });
    });
  },
  { hide: [] },
);

test(
  "CVE-2022-0492: no release_agent can be written, in no user and cgroup namespace that a job can make",
  async () => {
    expect(leaksOf(await probe(["release-agent", "nested-release-agent", "nested-cgroup2", "cgroup-write"]))).toEqual(
      [],
    );
  },
  TEST_MS,
);

supervised(
  "CVE-2024-21626: no working directory below /proc/self/fd, or of PID 1, leads to the host's root",
  async (bench) => {
    expect(leaksOf(await probe(["inherited-descriptors", "descriptors-of-others", "init-cwd", "init-root"]))).toEqual(
      [],
    );
    const named = "/proc/self/fd/7/../../../.. /proc/thread-self/fd/8 /proc/1/root /proc/1/cwd /proc/1/fd/7".split(" ");
    const places = Array.from({ length: 62 }, (_, fd) => `/proc/self/fd/${fd + 3}`).concat(named);
    for (const workdir of places) {
      const { text, end } = await attempt(bench, { command: ["/bin/pwd", "-P"], workdir });
      expect(text, workdir).toBe("");
      expect(end, workdir).toMatch(/workdir/);
    }
  },
);

supervised(
  "CVE-2025-31133: nobody can put anything in the place of the /dev/null that covers what is masked",
  async (bench) => {
    // The covers are the tether's own /dev/null: a character device 1:3, not whatever a shared directory has by that name.
    const covers = await bench.run(
      "for f in keys timer_list; do stat -Lc '%n %t:%T' /proc/$f; done; (echo x > /proc/sys/kernel/core_pattern) 2>&1",
    );
    expect(covers.text).toMatch(/\/proc\/keys 1:3\n\/proc\/timer_list 1:3\n/);
    expect(covers.text).toMatch(/Permission denied|Read-only/);
    await shared(async (directory) => {
      // The exploit's way in: a /dev that somebody else writes, with a link by the name of null.
      symlinkSync("/proc/sys/kernel/core_pattern", join(directory, "null"));
      symlinkSync("/dev", join(directory, "link"));
      for (const target of [
        "/dev",
        "/dev/null",
        "/dev/console",
        join(directory, "link"),
        join(directory, "link", "null"),
      ]) {
        const error = await refusal(bench.start({ mounts: [{ type: "bind", source: directory, target }] }));
        expect(JSON.stringify(error), target).toContain("/mounts/0/target");
      }
    });
  },
);

supervised(
  "CVE-2025-52565: /dev/console is a node of the job's own /dev, and nothing is mounted on it",
  async (bench) => {
    const { text } = await bench.run(
      `stat -c 'console %F %t:%T' /dev/console; ${MOUNTS}; (echo x > /dev/console) && echo swallowed`,
    );
    expect(text).toContain("console character special file 1:3");
    expect(text).not.toMatch(/^mounted \/dev\/console /m);
    expect(text).toContain("swallowed");
  },
);

supervised(
  "CVE-2025-52881: no mount of a job lies on /proc or /sys, so nothing that is written there while it starts goes elsewhere",
  async (bench) => {
    await shared(async (directory) => {
      mkdirSync(join(directory, "fake"));
      for (const [name, to] of [
        ["proc", "/proc"],
        ["self", "/proc/self"],
        ["up", "../../../../../../proc"],
        ["sys", "/sys"],
      ] as const)
        symlinkSync(to, join(directory, name));
      const kernel =
        "/proc /proc/self /proc/2 /proc/self/attr /proc/sys /proc/sys/kernel /proc/sysrq-trigger /sys /sys/fs/cgroup";
      const linked = "proc self up sys proc/2 proc/sys self/attr".split(" ").map((path) => join(directory, path));
      const targets = kernel.split(" ").concat(linked);
      for (const target of targets)
        for (const mount of [
          { type: "bind", source: join(directory, "fake"), target },
          { type: "tmpfs", target },
        ] as const) {
          const error = await refusal(bench.start({ mounts: [mount] }));
          expect(JSON.stringify(error), target).toContain("/mounts/0/target");
        }
      // A second place for /proc is the same one, with the same covers.
      const { text } = await bench.run(
        "stat -fc %T /tmp/proc/self/; stat -Lc %t:%T /tmp/proc/keys; (: > /tmp/proc/sysrq-trigger) 2>&1",
        {
          mounts: [{ type: "proc", target: "/tmp/proc" }],
        },
      );
      expect(text).toContain("proc\n1:3\n");
      expect(text).toMatch(/sysrq-trigger/);
    });
  },
);

test(
  "CVE-2017-5226: no byte can be pushed into the terminal that tele was started from",
  async () => {
    expect(leaksOf(await probe(["tiocsti", "tioclinux", "steal-terminal", "controlling-terminal"], TERMINAL))).toEqual(
      [],
    );
  },
  TEST_MS,
);

test(
  "CVE-2019-10063: nor with bits set that the kernel does not look at",
  async () => {
    const names = ["tiocsti-high-bit", "tiocsti-high-half", "tioclinux-high-bit"];
    const outcomes = await probe(names, TERMINAL);
    expect(leaksOf(outcomes)).toEqual([]);
    expect(outcomes.map(({ saw }) => saw).join()).not.toContain("not the launcher's terminal");
  },
  TEST_MS,
);

test("every hole in SECURITY.md has its test here, and the other way round", () => {
  const numbers = (text: string, pattern: RegExp): string[] =>
    [...new Set([...text.matchAll(pattern)].map(([, number = ""]) => number))].toSorted();
  const listed = numbers(
    readFileSync(join(import.meta.dirname, "../../SECURITY.md"), "utf8"),
    /^\| (CVE-\d+-\d+) \|/gm,
  );
  const tested = numbers(readFileSync(import.meta.path, "utf8"), /"(CVE-\d+-\d+): /g);
  expect(listed.length).toBeGreaterThan(0);
  expect(listed).toEqual(tested);
});
