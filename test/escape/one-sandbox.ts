// Runs one sandbox whose standard input is ours, and writes its output: bun one-sandbox.ts SPEC. Ends with the workload's status.
import { runSandbox } from "#test/support/sandbox.ts";
import type { JobSpecInput } from "#spec/schema.ts";

const lived = await runSandbox(JSON.parse(process.argv[2] ?? "{}") as JobSpecInput, {
  request: (request) => ({ ...request, stdin: 0 }),
});
process.stdout.write(lived.out);
process.stderr.write(lived.err);
if (lived.blame) process.stderr.write(`${JSON.stringify(lived.blame)}\n`);
process.exitCode = lived.blame ? 125 : 0;
