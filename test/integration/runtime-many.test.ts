// Hundreds of launches, one after the other and side by side, good ones and bad ones: nothing grows.
import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { descriptors, jobCgroups, tethersOf } from "#test/support/leaks.ts";
import { type Bench, idOf, refusal, supervised } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";

/** What this process and this machine hold for the bench, once everything that is leaving has left. */
async function held(bench: Bench): Promise<Record<string, number>> {
  await until(
    "the dead are buried",
    () => tethersOf(bench.stateDirectory).length + jobCgroups(bench.cgroupName).length === 0,
  );
  // SQLite opens its log once more when it first writes it back.
  const ours = [...descriptors()].filter(([target]) => !target.startsWith(`${bench.stateDirectory}/state.db`));
  return {
    descriptors: ours.reduce((sum, [, count]) => sum + count, 0),
    threads: readdirSync("/proc/self/task").length,
    directories: readdirSync(`${bench.stateDirectory}/jobs`).length,
  };
}

/** Starts, ends and forgets `count` jobs, `width` at a time; each second one is made to fail at a step where asked for. */
async function launches(bench: Bench, count: number, width: number, failing: boolean): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) {
      const id = `job-${count}-${n}`;
      const bad = failing && n % 2 === 1;
      const commands = [["/bin/echo", id], ["/nowhere"]] as const;
      const spec = { command: [...commands[Number(bad)]!], ...(bad && n % 4 === 3 && { workdir: "/nowhere" }) };
      if (bad) expect((await refusal(bench.start(spec, id))).code).toBe("START_FAILED");
      else await bench.start(spec, id);
      const job = await bench.ended(id);
      expect([job.reason, bench.text(id)]).toEqual(bad ? ["START_FAILED", ""] : ["EXITED", `${id}\n`]);
      await bench.supervisor.remove(idOf(job));
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
}

for (const [what, width, failing] of [
  ["two hundred launches in a row", 1, false],
  ["two hundred launches, eight at a time", 8, false],
  ["two hundred launches in a row of which half fail", 1, true],
  ["two hundred launches, eight at a time, of which half fail", 8, true],
] as const) {
  supervised(`${what} leave descriptors, processes, cgroups and mounts as they were`, async (bench) => {
    await launches(bench, 16, 8, failing);
    const before = await held(bench);
    await launches(bench, 200, width, failing);
    const after = await held(bench);
    expect({ ...after, threads: 0 }).toEqual({ ...before, threads: 0 });
    // The runtime's own pool may still be growing; a thread for each launch would be hundreds.
    expect(after["threads"]).toBeLessThan((before["threads"] ?? 0) + 20);
  });
}
