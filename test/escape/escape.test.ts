// Every probe in every profile, by every way to start one: what leaks is exactly what the profile says it lets through.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { allowedFor, always } from "./allowed.ts";
import { buildProbes, type Built } from "./build.ts";
import { judge, type Outcome, runProbes } from "./host.ts";
import { missing, NOTHING, ORDINARY, TELE, TERMINAL, type TeleRuntime } from "./runtimes.ts";

const RUN_MS = 600_000;
const TOPICS = ["paths", "mounts", "processes", "kernel", "network", "devices", "terminal", "resources"];

let built: Built;

beforeAll(() => {
  built = buildProbes();
}, RUN_MS);
afterAll(() => built.remove());

const lines = (outcomes: readonly Outcome[]): string[] => outcomes.map(({ name, saw }) => `${name}: ${saw}`);

test("there are at least 120 probes, each with a name and a topic of its own", () => {
  expect(built.probes.length).toBeGreaterThanOrEqual(120);
  expect(new Set(built.probes.map(({ name }) => name)).size).toBe(built.probes.length);
  expect([...new Set(built.probes.map(({ topic }) => topic))].toSorted()).toEqual(TOPICS.toSorted());
});

test("a probe that says nothing is no proof", () => {
  const probes = [
    { name: "mount", topic: "mounts" },
    { name: "memory", topic: "resources" },
    { name: "chroot", topic: "mounts" },
  ];
  const outcomes = judge(probes, "run mount\nrun memory\nstatus 137\n", "gone");
  expect(outcomes.map(({ verdict }) => verdict)).toEqual(["broken", "ok", "broken"]);
  // Only an end that the host saw is one.
  expect(judge(probes, "run mount\nrun memory\n", "").map(({ verdict }) => verdict)).toEqual([
    "broken",
    "broken",
    "broken",
  ]);
});

test("what the host saw outweighs what the probe says", () => {
  const [outcome] = judge(
    [{ name: "kill-all", topic: "processes" }],
    "ok kill-all sent\nLEAK kill-all a signal\nstatus 0\n",
    "",
  );
  expect(outcome).toMatchObject({ verdict: "LEAK", saw: "a signal" });
});

test(
  "without a sandbox most of the probes leak, for root or for an ordinary user: they can tell when there is no barrier",
  async () => {
    const calm = built.probes.filter(({ topic }) => topic !== "resources");
    const leaking = new Set<string>();
    for (const runtime of [NOTHING, { ...NOTHING, user: ORDINARY }])
      for (const { name, verdict } of await runProbes(built, runtime, calm)) if (verdict === "LEAK") leaking.add(name);
    expect(leaking.size).toBeGreaterThanOrEqual(100);
    // The ones that a kernel or a host can hardly be without.
    const sure = `core-pattern root-only-file etc-shadow host-tmp host-fifo mount remount-root open-tree umount-masks
      nested-mounts ptrace-outside memory-of-outside inherited-descriptors descriptors-of-others kill-outside kill-all
      set-uid-file file-capabilities session-keyring abstract-socket path-socket netlink-route sysv-shared-memory`;
    expect(sure.split(/\s+/).filter((name) => !leaking.has(name))).toEqual([]);
  },
  RUN_MS,
);

const whole = (runtime: TeleRuntime): { runtime: TeleRuntime; topics: readonly string[] } => ({
  runtime,
  topics: TOPICS,
});
const onTerminal = (runtime: TeleRuntime) => ({ runtime, topics: ["terminal", "processes"] });

for (const { runtime, topics } of [...TELE.map(whole), ...TERMINAL.map(onTerminal)]) {
  describe(runtime.name, () => {
    const allowed = allowedFor(runtime);
    const may = new Set(allowed.flatMap(({ probes }) => probes));
    let outcomes: Outcome[] = [];

    beforeAll(async () => {
      const why = missing(runtime);
      if (why !== undefined) throw new Error(why);
      outcomes = await runProbes(
        built,
        runtime,
        built.probes.filter(({ topic }) => topics.includes(topic)),
      );
    }, RUN_MS);

    for (const topic of topics) {
      test(`${topic}: nothing leaks${allowed.length === 0 ? "" : " but what the table names"}`, () => {
        const own = outcomes.filter((one) => one.topic === topic);
        expect(own.length).toBeGreaterThan(0);
        expect(lines(own.filter(({ verdict }) => verdict === "broken"))).toEqual([]);
        const leaks = own.filter(({ verdict, name }) => verdict === "LEAK" && !may.has(name));
        expect(lines(leaks)).toEqual([]);
      });
    }

    test("what the table says that it lets through, it lets through", () => {
      const leaking = new Set(outcomes.filter(({ verdict }) => verdict === "LEAK").map(({ name }) => name));
      const tried = new Set(outcomes.map(({ name }) => name));
      expect(always(allowed).filter((name) => tried.has(name) && !leaking.has(name))).toEqual([]);
    });
  });
}
