// Ids of jobs: on the record from start to deletion, across daemons; claimed without a daemon; as maps for mounts.
import { describe, expect, test } from "bun:test";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AT } from "#ffi/abi/fcntl.ts";
import { MOUNT_ATTR, MOUNT_ATTR_SIZE, mountAttr, OPEN_TREE } from "#ffi/abi/mount-api.ts";
import { call, must, scratch, SystemError } from "#ffi/call.ts";
import { claimRange } from "#host/claimed-range.ts";
import { CLAIMED_START, defaultRange, IDS_PER_JOB, type IdRange, readHostIds } from "#host/id-ranges.ts";
import { mappingNamespace } from "#host/mapping-namespace.ts";
import type { IdMaps } from "#spec/facts.ts";
import { descriptors } from "#test/support/leaks.ts";
import { mortals } from "#test/support/mortal.ts";
import { need } from "#test/support/needs.ts";
import { projectRoot } from "#test/support/sources.ts";
import { refusal, supervised } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";

const START = 70_000_000;
const job = (slot: number): IdRange => ({ start: START + slot * IDS_PER_JOB, count: IDS_PER_JOB });
const room = (jobs: number) => ({ usernsRange: { start: START, count: jobs * IDS_PER_JOB } });
const asleep = { command: ["/bin/sleep", "1000"] };

supervised(
  "ids are a job's until it is deleted, not only until it ends",
  async (bench) => {
    expect((await bench.start(asleep, "a")).userns).toEqual(job(0));
    expect((await bench.start({}, "b")).userns).toEqual(job(1));
    expect((await bench.ended("b")).userns).toEqual(job(1));
    expect((await bench.start(asleep, "c")).userns).toEqual(job(2));
    expect([...bench.supervisor.list({})].map(({ userns }) => userns)).toEqual([job(0), job(1), job(2)]);
    await bench.supervisor.remove("b");
    expect((await bench.start(asleep, "d")).userns).toEqual(job(1));
  },
  room(4),
);

supervised(
  "when all are in use a start is refused, until one is given back",
  async (bench) => {
    await bench.start(asleep, "a");
    await bench.start({}, "b");
    await bench.ended("b");
    const error = await refusal(bench.start({}, "c"));
    expect([error.code, error.message]).toEqual([
      "RESOURCE_EXHAUSTED",
      `the ids of ${START}:131072 are all in use, by 2 jobs`,
    ]);
    expect(error.fields.hint).toContain("tele rm");
    expect(bench.supervisor.get("c")).toBeUndefined();
    expect((await bench.start({ security: { userns: "host" } }, "host")).userns).toBeUndefined();
    await bench.supervisor.remove("b");
    expect((await bench.start({}, "c")).userns).toEqual(job(1));
  },
  room(2),
);

supervised(
  "a start that fails keeps its ids as long as its record, and no longer than that",
  async (bench) => {
    for (let round = 0; round < 3; round++) {
      // Refused while it is planned.
      expect((await refusal(bench.start({ user: "nobody-of-this-name" }, "unknown"))).code).toBe("INVALID_ARGUMENT");
      // Refused when its tether runs already: the record cannot be written.
      const stranger = new DatabaseSync(join(bench.stateDirectory, "state.db"));
      stranger.exec("BEGIN IMMEDIATE");
      expect((await refusal(bench.start(asleep, "unwritten"))).code).toBe("UNAVAILABLE");
      stranger.exec("ROLLBACK");
      stranger.close();
      expect(bench.supervisor.get("unwritten")).toBeUndefined();
    }
    expect((await refusal(bench.start({ command: ["/nowhere"] }, "failed"))).code).toBe("START_FAILED");
    expect(bench.supervisor.get("failed")).toMatchObject({ state: "FAILED", userns: job(0) });
    expect((await refusal(bench.start({}, "next"))).code).toBe("RESOURCE_EXHAUSTED");
    await bench.supervisor.remove("failed");
    expect((await bench.start({}, "next")).userns).toEqual(job(0));
  },
  room(1),
);

supervised(
  "many starts and deletions at once share the ids without a clash",
  async (bench) => {
    const inUse = new Set<number>();
    const one = async (id: string): Promise<void> => {
      for (let round = 0; round < 5; round++) {
        const { userns } = await bench.start({}, id);
        if (!userns || inUse.has(userns.start)) throw new Error(`${id} got ${userns?.start} while another had it`);
        inUse.add(userns.start);
        await bench.ended(id);
        inUse.delete(userns.start);
        await bench.supervisor.remove(id);
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, index) => one(`job-${index}`)));
    expect(inUse.size).toBe(0);
  },
  room(8),
);

mortals("a daemon that comes back knows which ids are taken, whatever range it has then", async (bed) => {
  const daemon = await bed.daemon(room(3));
  expect((await daemon.start(asleep, "a")).userns).toEqual(job(0));
  expect((await daemon.start({}, "b")).userns).toEqual(job(1));
  await daemon.wait("b");
  await daemon.kill();
  const same = await bed.daemon(room(3));
  expect([(await same.get("a"))?.userns, (await same.get("b"))?.userns]).toEqual([job(0), job(1)]);
  expect((await same.start({}, "c")).userns).toEqual(job(2));
  const refused = (await same.start({}, "d").catch((fault: unknown) => fault)) as { code: string };
  expect(refused.code).toBe("RESOURCE_EXHAUSTED");
  await same.kill();
  // Shifted by half a job: what was given reaches into two slots each time.
  const bench = await bed.next({ usernsRange: { start: START + IDS_PER_JOB / 2, count: 4 * IDS_PER_JOB } });
  expect((await bench.start({}, "d")).userns).toEqual({ start: START + 3.5 * IDS_PER_JOB, count: IDS_PER_JOB });
  expect((await refusal(bench.start({}, "e"))).code).toBe("RESOURCE_EXHAUSTED");
});

test("a range that is none is a usage error, told before anything is opened", () => {
  need("root");
  const serve = (range: string) =>
    spawnSync(process.execPath, [join(projectRoot, "src/main.ts"), "serve", "--userns-range", range], {
      encoding: "utf8",
      env: { ...process.env, TELE_STATE_DIR: "/nonexistent/state" },
    });
  const { status, stderr } = serve("1000000:1000");
  expect([status, stderr]).toEqual([2, expect.stringContaining("--userns-range 1000000:1000 has 1000 ids")]);
  expect(stderr).toContain("1000000:655360000");
});

describe("a claimed range", () => {
  function inDirectory(body: (directory: string) => void | Promise<void>): () => Promise<void> {
    return async () => {
      need("root");
      const parent = mkdtempSync(join(tmpdir(), "tele-ranges-"));
      try {
        await body(join(parent, "tele", "ranges"));
      } finally {
        rmSync(parent, { recursive: true });
      }
    };
  }
  const starts = (claims: readonly IdRange[]): number[] =>
    claims.map(({ start }) => (start - CLAIMED_START) / IDS_PER_JOB);

  test(
    "is nobody else's until it is released",
    inDirectory((directory) => {
      const before = descriptors();
      const claims = [claimRange(directory), claimRange(directory), claimRange(directory)];
      expect(starts(claims)).toEqual([0, 1, 2]);
      expect(claims[0]?.count).toBe(IDS_PER_JOB);
      claims[1]?.release();
      claims[1]?.release();
      const again = claimRange(directory);
      expect(starts([again])).toEqual([1]);
      for (const claim of [...claims, again]) claim.release();
      expect(descriptors()).toEqual(before);
    }),
  );

  test(
    "lies in files that only root can open, closed by execve",
    inDirectory((directory) => {
      const claim = claimRange(directory);
      expect(statSync(directory).mode & 0o777).toBe(0o700);
      expect(statSync(join(directory, "0")).mode & 0o777).toBe(0o600);
      const seen = execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" });
      expect(seen).not.toContain(directory);
      claim.release();
    }),
  );

  test(
    "is free again when its process was killed",
    inDirectory(async (directory) => {
      const script = `
        const { claimRange } = await import("#host/claimed-range.ts");
        console.log(claimRange(${JSON.stringify(directory)}).start);
        setInterval(() => {}, 1000);`;
      const child = spawn(process.execPath, ["-e", script], { cwd: projectRoot, stdio: ["ignore", "pipe", "inherit"] });
      let said = "";
      child.stdout.on("data", (data: Buffer) => (said += data.toString()));
      const gone = new Promise((resolve) => child.on("exit", resolve));
      try {
        await until("it has claimed a range", () => said.endsWith("\n"));
        expect(Number(said)).toBe(CLAIMED_START);
        const other = claimRange(directory);
        expect(starts([other])).toEqual([1]);
        other.release();
      } finally {
        child.kill("SIGKILL");
        await gone;
      }
      const claim = claimRange(directory);
      expect(starts([claim])).toEqual([0]);
      claim.release();
    }),
  );

  test(
    "cannot be made where the directory is a file or a claim a link, and says so",
    inDirectory((directory) => {
      const fault = (): { code?: string; message?: string } => {
        try {
          claimRange(directory).release();
          return {};
        } catch (error) {
          return error as Error;
        }
      };
      mkdirSync(join(directory, ".."), { recursive: true });
      writeFileSync(directory, "");
      expect(fault()).toMatchObject({
        code: "FAILED_PRECONDITION",
        message: expect.stringContaining(directory) as string,
      });
      rmSync(directory);
      mkdirSync(directory);
      execFileSync("ln", ["-s", "/etc/passwd", join(directory, "0")]);
      expect(fault()).toMatchObject({
        code: "FAILED_PRECONDITION",
        message: expect.stringContaining("ELOOP") as string,
      });
    }),
  );
});

describe("a mapping namespace", () => {
  const maps: IdMaps = {
    uids: [
      { inside: 0, outside: START, count: 1000 },
      { inside: 1000, outside: 1000, count: 1 },
      { inside: 1001, outside: START + 1001, count: 64_535 },
    ],
    gids: [{ inside: 0, outside: START, count: IDS_PER_JOB }],
  };
  /** Children of this process that nobody has reaped. */
  const children = (): string[] =>
    readdirSync("/proc/self/task").flatMap((thread) =>
      readFileSync(`/proc/self/task/${thread}/children`, "utf8").split(" ").filter(Boolean),
    );
  const within = (fd: number, path: string): string =>
    execFileSync("nsenter", [`--user=/proc/${process.pid}/fd/${fd}`, "cat", path], { encoding: "utf8" })
      .trim()
      .replace(/[ \t]+/g, " ");

  test("has the maps that were asked for", () => {
    need("root");
    const fd = mappingNamespace(maps);
    expect(within(fd, "/proc/self/uid_map")).toBe(`0 ${START} 1000\n 1000 1000 1\n 1001 ${START + 1001} 64535`);
    expect(within(fd, "/proc/self/gid_map")).toBe(`0 ${START} 65536`);
    call("close", fd);
  });

  test("is made a hundred times, also in vain, and leaves neither process nor descriptor", () => {
    need("root");
    call("close", mappingNamespace(maps));
    const before = [descriptors(), children()];
    const bad: IdMaps = { ...maps, gids: [{ inside: 0, outside: 0, count: 0 }] };
    const namespaces = new Set<number>();
    for (let round = 0; round < 100; round++) {
      namespaces.add(mappingNamespace(maps));
      try {
        mappingNamespace(bad);
        throw new Error("it was not refused");
      } catch (error) {
        expect(error).toBeInstanceOf(SystemError);
        expect((error as Error).message).toBe("write: EINVAL");
      }
    }
    expect(namespaces.size).toBe(100);
    for (const fd of namespaces) call("close", fd);
    expect([descriptors(), children()]).toEqual(before);
  });

  test("is no other process's: its descriptor is closed by execve", () => {
    need("root");
    const fd = mappingNamespace(maps);
    expect(execFileSync("ls", ["-l", "/proc/self/fd"], { encoding: "utf8" })).not.toContain("user:");
    call("close", fd);
  });

  test("makes the owners on an id-mapped mount those of a job, and what the job writes root's", () => {
    need("root");
    // EINVAL here means a file system without id-mapped mounts: tmpfs has them since Linux 6.3, ext4 since 5.12, overlayfs not.
    const folder = mkdtempSync(join(tmpdir(), "tele-idmap-"));
    const memory = scratch(4096);
    const fd = mappingNamespace(maps);
    const tree = must(
      "open_tree",
      AT.FDCWD,
      memory.text(folder),
      OPEN_TREE.OPEN_TREE_CLONE | OPEN_TREE.OPEN_TREE_CLOEXEC,
    );
    try {
      chmodSync(folder, 0o777);
      writeFileSync(join(folder, "roots"), "");
      const attributes = memory.bytes(mountAttr(MOUNT_ATTR.IDMAP, { usernsFd: fd }));
      must("mount_setattr", tree, memory.text(""), AT.EMPTY_PATH, attributes, MOUNT_ATTR_SIZE);
      const seen = `/proc/${process.pid}/fd/${tree}`;
      expect([statSync(join(seen, "roots")).uid, statSync(join(seen, "roots")).gid]).toEqual([START, START]);
      execFileSync("setpriv", [`--reuid=${START + 5}`, `--regid=${START + 6}`, "--clear-groups", "touch", "new"], {
        cwd: seen,
      });
      const made = statSync(join(folder, "new"));
      expect([made.uid, made.gid]).toEqual([5, 6]);
    } finally {
      call("close", tree);
      call("close", fd);
      rmSync(folder, { recursive: true });
    }
  });
});

test("this host has ids for jobs", () => {
  expect(defaultRange(readHostIds())?.count).toBeGreaterThanOrEqual(IDS_PER_JOB);
});
