// Runs one job under a supervisor and writes its output: bun one-job.ts SPEC. Ends with the job's status.
import { makePlace, openBench } from "#test/support/supervisor.ts";
import type { JobSpecInput } from "#spec/schema.ts";

// Pids repeat on hosts of their own; the cgroup hierarchy is the machine's.
const bench = await openBench({ ...makePlace(), cgroupName: process.env["PROBE_NAME"] ?? "tele-escape" });
try {
  const job = await bench.ended(await bench.start(JSON.parse(process.argv[2] ?? "{}") as JobSpecInput));
  process.stdout.write(bench.text(job));
  const { exitCode, signal, reason, step, message } = job.end ?? {};
  if (exitCode !== 0) process.stderr.write(`${reason} ${signal ?? ""} ${step ?? ""} ${message ?? ""}\n`);
  process.exitCode = exitCode ?? 137;
} finally {
  await bench.close();
}
