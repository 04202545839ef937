// Needs a real disk, which an emulated guest has not. Writes are measured with the cgroups alone (cgroup-limits.test.ts):
// a job's root is read-only and its /tmp is memory, so it has no disk to write to.
import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { supervised } from "#test/support/supervisor.ts";

const MiB = 2 ** 20;

supervised("direct reads of a disk keep to a lowered rate", async (bench) => {
  const folder = mkdtempSync("/var/tmp/tele-test-");
  try {
    const file = join(folder, "file");
    writeFileSync(file, new Uint8Array(16 * MiB).fill(7), { flush: true });
    const io = { rbps: 4 * MiB };
    const { job, text } = await bench.run(`LC_ALL=C exec dd if=${file} of=/dev/null bs=256k iflag=direct`, {
      limits: { io },
    });
    expect(job.end?.exitCode).toBe(0);
    const seconds = Number(/copied, ([\d.]+) s/.exec(text)?.[1]);
    const share = 16 / seconds / 4;
    expect(share).toBeGreaterThan(0.85);
    expect(share).toBeLessThan(1.15);
    expect(job.end?.usage.ioReadBytes).toBeGreaterThanOrEqual(16 * MiB);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
