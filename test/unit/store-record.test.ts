import { describe, expect, test } from "bun:test";
import { toJob, type JobRecord } from "#runtime/store/record.ts";
import { formatTime, parseTime } from "#runtime/store/time.ts";
import { JobSpecSchema } from "#spec/schema.ts";

const running: JobRecord = {
  id: "hello",
  owner: "alice",
  spec: JobSpecSchema.parse({ command: ["/bin/true"], labels: { team: "blue" } }),
  state: "RUNNING",
  reason: "STOPPING",
  createNs: 1_792_000_000_000_000_001n,
  startNs: 1_792_000_000_002_000_000n,
  enforced: {} as JobRecord["enforced"],
  tether: { pid: 7, startTicks: 8, bootId: "b" },
  restart: { secret: true },
};

describe("times", () => {
  test("have nine digits, whatever they are", () => {
    expect(formatTime(0n)).toBe("1970-01-01T00:00:00.000000000Z");
    expect(formatTime(1_792_000_000_000_000_001n)).toBe("2026-10-14T17:46:40.000000001Z");
  });

  test("come back from their text to the nanosecond", () => {
    for (const ns of [0n, 1n, 999_999_999n, 1_792_000_000_123_456_789n]) expect(parseTime(formatTime(ns))).toBe(ns);
    expect(parseTime("2026-10-14T19:46:40.5+02:00")).toBe(1_792_000_000_500_000_000n);
    expect(parseTime("2026-10-14T17:46:40Z")).toBe(1_792_000_000_000_000_000n);
    for (const bad of ["", "yesterday", "2026-10-14", "2026-13-14T00:00:00Z", "2026-10-14T17:46:40.0000000001Z"]) {
      expect(parseTime(bad)).toBeUndefined();
    }
  });
});

describe("a job as the API shows it", () => {
  test("has what the kernel knows while it is open, and nothing of what only the daemon needs", () => {
    expect(toJob(running, { usage: { wallUs: 5, outputBytes: 6 }, pid: 99 })).toEqual({
      name: "jobs/hello",
      owner: "alice",
      spec: running.spec,
      labels: { team: "blue" },
      state: "RUNNING",
      phase: "OPEN",
      reason: "STOPPING",
      createTime: "2026-10-14T17:46:40.000000001Z",
      startTime: "2026-10-14T17:46:40.002000000Z",
      pid: 99,
      enforced: running.enforced,
      usage: { wallUs: 5, outputBytes: 6 },
    });
    expect(toJob({ ...running, userns: { start: 1_000_000, count: 65_536 } }).userns).toEqual({
      start: 1_000_000,
      count: 65_536,
    });
    expect(toJob(running).usage).toEqual({ wallUs: 0, outputBytes: 0 });
  });

  test("has the usage of its end, and no pid, once it is closed", () => {
    const end = { reason: "EXITED", exitCode: 0, usage: { wallUs: 11, outputBytes: 12 } } as const;
    const job = toJob(
      { ...running, state: "COMPLETED", reason: "EXITED", endNs: 1_792_000_001_000_000_000n, end },
      { usage: { wallUs: 5, outputBytes: 6 }, pid: 99 },
    );
    expect([job.phase, job.usage, job.end, job.endTime]).toEqual([
      "CLOSED",
      end.usage,
      end,
      "2026-10-14T17:46:41.000000000Z",
    ]);
    expect(job).not.toHaveProperty("pid");
  });
});
