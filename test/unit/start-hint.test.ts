// Every start that fails names a way out.
import { expect, test } from "bun:test";
import { startHint } from "#runtime/start-hint.ts";
import { JobSpecSchema } from "#spec/schema.ts";

const spec = JobSpecSchema.parse({ command: ["tool"], workdir: "/srv" });

for (const [step, errno, words] of [
  ["workload.exec", "ENOENT", "no tool in"],
  ["workload.exec", "EACCES", "not be executed"],
  ["workload.exec", "ENOEXEC", "#!"],
  ["workdir.enter", "ENOENT", "/srv must exist"],
  ["mounts.private", "EINVAL", "chroot"],
  ["proc.mount", "EPERM", "seen in full"],
  ["dev.pts", "ENODEV", "tele doctor"],
] as const)
  test(`${step} ${errno}: ${words}`, () => expect(startHint(step, errno, { spec }).hint).toContain(words));
