import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readKernelFile, writeKernelFile } from "#host/cgroup/kernel-file.ts";

test("reads files of any length, also after a longer one", () => {
  const folder = mkdtempSync(join(tmpdir(), "tele-file-"));
  try {
    const long = "0123456789\n".repeat(20_000);
    writeFileSync(join(folder, "long"), long);
    writeFileSync(join(folder, "empty"), "");
    expect(readKernelFile(join(folder, "long"))).toBe(long);
    expect(readKernelFile(join(folder, "empty"))).toBe("");
    expect(readKernelFile("/proc/self/mountinfo")).toBe(readFileSync("/proc/self/mountinfo", "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what cannot be read is undefined, what cannot be written is an errno, and no file is ever made", () => {
  const missing = join(tmpdir(), "tele-no-such-file");
  expect(readKernelFile(missing)).toBeUndefined();
  expect(readKernelFile("/proc")).toBeUndefined();
  expect(writeKernelFile(missing, "1")).toBe("ENOENT");
  expect(writeKernelFile("/proc", "1")).toBe("EISDIR");
  expect(existsSync(missing)).toBe(false);
});
