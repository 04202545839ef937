// Needs a real disk, which an emulated guest has not.
import { expect } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { supervised } from "#test/support/supervisor.ts";

const MiB = 2 ** 20;

supervised("direct reads of a disk keep to a lowered rate", async (bench) => {
  const { folder, mounts } = disk();
  try {
    writeFileSync(join(folder, "file"), new Uint8Array(16 * MiB).fill(7), { flush: true });
    const { job, text } = await bench.run("LC_ALL=C exec dd if=/tmp/disk/file of=/dev/null bs=256k iflag=direct", {
      mounts,
      limits: { io: { rbps: 4 * MiB } },
    });
    expect(job.end?.exitCode).toBe(0);
    expectRate(text);
    expect(job.end?.usage.ioReadBytes).toBeGreaterThanOrEqual(16 * MiB);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

supervised("direct writes to a disk keep to a lowered rate, and what is written is root's", async (bench) => {
  const { folder, mounts } = disk();
  try {
    const command = "LC_ALL=C exec dd if=/dev/zero of=/tmp/disk/file bs=256k count=64 oflag=direct";
    const { job, text } = await bench.run(command, { mounts, limits: { io: { wbps: 4 * MiB } } });
    expect(job.end?.exitCode).toBe(0);
    expectRate(text);
    expect(job.end?.usage.ioWriteBytes).toBeGreaterThanOrEqual(16 * MiB);
    expect(statSync(join(folder, "file"))).toMatchObject({ uid: 0, gid: 0, size: 16 * MiB });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A directory on a disk, and what shows it to a job. */
function disk() {
  const folder = mkdtempSync("/var/tmp/tele-test-");
  return { folder, mounts: [{ type: "bind" as const, source: folder, target: "/tmp/disk" }] };
}

/** 16 MiB at 4 MiB a second, by what dd says. */
function expectRate(text: string): void {
  const share = 16 / Number(/copied, ([\d.]+) s/.exec(text)?.[1]) / 4;
  expect(share).toBeGreaterThan(0.85);
  expect(share).toBeLessThan(1.15);
}
