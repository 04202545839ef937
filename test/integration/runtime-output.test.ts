// What a job writes: every byte, in order, at once, and not one more than its limit.
import { expect } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { RECORD_BYTES, STDERR, STDOUT } from "#runtime/output-index.ts";
import { wholeIndex } from "#test/support/index-check.ts";
import { type Bench, idOf, supervised, waitForText } from "#test/support/supervisor.ts";
import { until } from "#test/support/until.ts";
import type { Output } from "#runtime/jobs.ts";
import type { Job } from "#spec/job.ts";

function outputOf({ supervisor }: Bench, job: Job): Output {
  const output = supervisor.output(idOf(job));
  if (!output) throw new Error(`${job.name} has no output`);
  return output;
}

supervised(
  "what goes to stdout and stderr by turns lies in that order, and the index says which is which",
  async (bench) => {
    const job = await bench.sh(
      `trap 'echo out $n' USR1; trap 'echo err $n >&2; n=$((n+1))' USR2; trap 'exit 0' TERM
     n=0; echo ready; while :; do sleep 0.01; done`,
      {},
      "turns",
    );
    await waitForText(bench, job, "ready\n");
    for (let n = 0; n < 15; n++) {
      await bench.supervisor.signal("turns", "SIGUSR1");
      await waitForText(bench, job, `out ${n}\n`);
      await bench.supervisor.signal("turns", "SIGUSR2");
      await waitForText(bench, job, `err ${n}\n`);
    }
    await bench.supervisor.signal("turns", "SIGTERM");
    await bench.ended(job);
    const turns = Array.from({ length: 15 }, (_, n) => `out ${n}\nerr ${n}\n`).join("");
    expect(bench.text(job)).toBe(`ready\n${turns}`);
    const records = wholeIndex(outputOf(bench, job));
    expect(records.map(({ stream }) => stream)).toEqual([
      STDOUT,
      ...Array.from({ length: 30 }, (_, n) => (n % 2 ? STDERR : STDOUT)),
    ]);
  },
);

supervised("two hundred megabytes arrive byte for byte, and the index covers them", async (bench) => {
  const script = "seq 1 25000000 | head -c 200000000";
  const job = await bench.ended(await bench.sh(script));
  expect(job.end).toMatchObject({ reason: "EXITED", exitCode: 0, usage: { outputBytes: 200_000_000 } });
  const output = outputOf(bench, job);
  expect(statSync(output.dataPath).size).toBe(200_000_000);
  const hash = (command: string): string => execFileSync("sh", ["-c", `${command} | sha256sum`], { encoding: "utf8" });
  expect(hash(`cat ${output.dataPath}`)).toBe(hash(script));
  expect(wholeIndex(output).every(({ stream }) => stream === STDOUT)).toBe(true);
  expect([output.size(), output.records() * RECORD_BYTES, output.ended()]).toEqual([
    200_000_000,
    statSync(output.indexPath).size,
    true,
  ]);
});

supervised("twelve jobs that write at the same time each get their own output, whole", async (bench) => {
  const jobs = await Promise.all(
    Array.from({ length: 12 }, (_, n) => bench.sh(`seq ${n}000000 ${n}200000; seq 1 ${n} >&2`)),
  );
  for (const [n, job] of jobs.entries()) {
    await bench.ended(job);
    const output = outputOf(bench, job);
    const data = readFileSync(output.dataPath);
    const of = (which: number): string =>
      wholeIndex(output)
        .filter(({ stream }) => stream === which)
        .map(({ offset, length }) => data.subarray(offset, offset + length).toString())
        .join("");
    const count = (first: number, last: number): string =>
      Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => `${first + index}\n`).join("");
    // seq takes 0000000 for 0.
    expect(of(STDOUT) === count(n * 1_000_000, n * 1_000_000 + 200_000)).toBe(true);
    expect(of(STDERR)).toBe(count(1, n));
  }
});

supervised("a line that is not finished is there at once", async (bench) => {
  const job = await bench.sh("printf 'no end of'; printf ' line' >&2; sleep 1000");
  await waitForText(bench, job, "no end of line");
  const output = outputOf(bench, job);
  expect(output.ended()).toBe(false);
  await until("it is told", () => output.size() === 14);
  const waiting = output.grown(14, AbortSignal.timeout(50));
  await waiting;
  expect(output.size()).toBe(14);
});

supervised("whoever waits for growth is woken by bytes and by the end", async (bench) => {
  const job = await bench.sh(
    "trap 'echo more' USR1; trap 'exit 0' USR2; echo some; while :; do sleep 0.01; done",
    {},
    "grows",
  );
  const output = outputOf(bench, job);
  const never = new AbortController().signal;
  await output.grown(0, never);
  await until("all of the first line", () => output.size() === 5);
  const grown = output.grown(5, never);
  await bench.supervisor.signal("grows", "SIGUSR1");
  await grown;
  expect(output.size()).toBeGreaterThan(5);
  const over = output.grown(10, never);
  await bench.supervisor.signal("grows", "SIGUSR2");
  await over;
  expect([output.size(), output.ended(), bench.supervisor.get("grows")?.phase]).toEqual([10, true, "CLOSED"]);
});

supervised("past its limit of output a job is stopped, with exactly so many bytes kept", async (bench) => {
  const limits = { output: 100_000 };
  const [endless, over, exact, nothing] = await Promise.all([
    bench.sh("while :; do echo 0123456789; done", { limits }),
    bench.sh("head -c 100001 /dev/zero", { limits }),
    bench.sh("head -c 60000 /dev/zero; head -c 40000 /dev/zero >&2", { limits }),
    bench.sh("true", { limits: { output: 0 } }),
  ]);
  const stopped = await bench.ended(endless);
  expect(stopped).toMatchObject({
    state: "FAILED",
    reason: "OUTPUT_LIMIT",
    end: { stoppedBy: "tele", message: "it wrote more than its limit of output", usage: { outputBytes: 100_000 } },
  });
  expect(bench.text(endless)).toBe("0123456789\n".repeat(10_000).slice(0, 100_000));
  // It may have been over before anybody could stop it; what was dropped is told all the same.
  expect(await bench.ended(over)).toMatchObject({ reason: "OUTPUT_LIMIT", end: { usage: { outputBytes: 100_000 } } });
  expect(await bench.ended(exact)).toMatchObject({
    reason: "EXITED",
    end: { exitCode: 0, usage: { outputBytes: 100_000 } },
  });
  expect((await bench.ended(nothing)).reason).toBe("EXITED");
  for (const job of [endless, over, exact, nothing]) wholeIndex(outputOf(bench, job));
});

supervised("one byte at a time cannot fill the disk with records about bytes", async (bench) => {
  // Each write waits until the byte before has been taken: nothing to merge for the pump.
  const job = await bench.start({
    command: ["/usr/bin/perl", "-e", "$| = 1; for (1..100000) { syswrite(STDOUT, 'x'); syswrite(STDERR, 'y'); }"],
    limits: { output: 60_000 },
  });
  const { reason, end } = await bench.ended(job);
  expect([reason, end?.stoppedBy]).toEqual(["OUTPUT_LIMIT", "tele"]);
  const output = outputOf(bench, job);
  expect(statSync(output.indexPath).size).toBeLessThanOrEqual(2 ** 20 + RECORD_BYTES);
  expect(statSync(output.dataPath).size).toBeLessThanOrEqual(60_000);
  wholeIndex(output);
});
