// How jobs end, and that what is said of it is true.
import { expect } from "bun:test";
import { supervised } from "#test/support/supervisor.ts";

supervised("a job that exits is COMPLETED or FAILED by its status", async ({ run }) => {
  const { job, text } = await run("echo hello; exit 0");
  expect([job.state, job.phase, job.reason, text]).toEqual(["COMPLETED", "CLOSED", "EXITED", "hello\n"]);
  expect(job.end).toMatchObject({ reason: "EXITED", exitCode: 0 });
  const failed = await run("exit 7");
  expect(failed.job).toMatchObject({ state: "FAILED", reason: "EXITED", end: { exitCode: 7 } });
  expect(failed.job.end?.signal).toBeUndefined();
});
