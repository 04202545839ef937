// At every step of every golden program its launcher is killed. A sandbox that it keeps itself is gone at once; a daemon's
// lives on, with its pipes, for the next one to find, and is gone when that kills it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SIG } from "#ffi/abi/signal.ts";
import { call, must } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { assemble } from "#program/assemble.ts";
import { TETHER_FD } from "#program/descriptors.ts";
import { blame, decodeMessage, MESSAGE } from "#program/report.ts";
import type { Program } from "#program/step.ts";
import { INPUTS } from "#test/golden/inputs.ts";
import { need } from "#test/support/needs.ts";
import { until } from "#test/support/until.ts";
import { hanging, swept, UNBOUND } from "./faults.ts";
import { type Ground, ground } from "./ground.ts";
import { launchers } from "./launchers.ts";
import { adopt, drain, ended, hangs, inside, isZombie, leftBehind, namespaceOf, surroundings } from "./watch.ts";

/** Sandboxes under way at the same time. */
const AT_ONCE = 2;
const PATIENCE_MS = 10_000;
/** After so many the rest of a program is not swept: each may take all our patience. */
const MOST_FAULTS = 10;

let pool: ReturnType<typeof launchers>;
beforeAll(() => {
  adopt();
  pool = launchers(AT_ONCE);
});
afterAll(() => pool.close());

/** What is wrong with the end of a program whose launcher is killed while this step hangs. */
async function faultsOf({ program, means }: Ground, index: number): Promise<string[]> {
  const { label } = program.steps[index] ?? { label: "none" };
  const found: string[] = [];
  const folder = dirname(means.record);
  const tether = join(folder, `tether-${index}`);
  const own = {
    ...means,
    record: `${means.record}-${index}`,
    ...(means.output && { output: `${means.output}-${index}` }),
  };
  const changed = hanging(program, index);
  writeFileSync(tether, assemble(changed, hostArchitecture()));
  const launcher = pool.next();
  const { pid, report } = await launcher.launch({ means: own, tether });
  const namespace = namespaceOf(pid);
  const pidfd = must("pidfd_open", pid, 0);
  const take = (fd: number): Uint8Array => {
    const mine = call("pidfd_getfd", pidfd, fd, 0);
    if (mine < 0) return new Uint8Array();
    const bytes = drain(mine);
    call("close", mine);
    return bytes;
  };
  try {
    const hung = await until("the step hangs", () => (hangs(pid) ? "yes" : isZombie(pid) && "no"), PATIENCE_MS);
    if (hung === "no") found.push(`is not come to: ${said(changed, report)}`);
    await launcher.kill();
    if (!means.bound && hung === "yes") {
      if (!hangs(pid)) found.push("does not outlive its daemon");
      if (take(TETHER_FD.stdoutRead).length > 0) found.push("has written");
      call("pidfd_send_signal", pidfd, SIG.KILL, 0, 0);
    }
    // Who is gone is told to us, who have adopted it.
    const status = await until("the tether is gone", () => ended(pidfd), PATIENCE_MS).catch(() => undefined);
    if (status !== (label === UNBOUND ? 125 : 128 + SIG.KILL))
      found.push(status === undefined ? "outlives its parent" : `leaves with ${status}`);
    if (status === undefined) {
      call("pidfd_send_signal", pidfd, SIG.KILL, 0, 0);
      await until("the tether is gone", () => ended(pidfd), PATIENCE_MS);
    }
    if (own.output !== undefined && readFileSync(own.output, "utf8") !== "") found.push("has written");
    if (readFileSync(own.record).length > 0) found.push("has recorded an end");
    found.push(...inside(namespace).map((one) => `leaves process ${one}`));
  } finally {
    await launcher.kill();
    call("close", pidfd);
  }
  return found.map((what) => `${label}: ${what}`);
}

/** The step that failed instead. */
function said(program: Program, report: string): string {
  const fd = openSync(report, constants.O_RDONLY | constants.O_NONBLOCK);
  const bytes = drain(fd);
  closeSync(fd);
  for (let at = 0; at < bytes.length; at += MESSAGE.size) {
    const message = decodeMessage(bytes.subarray(at));
    if (message?.kind === "failed") return JSON.stringify(blame(program.steps, message));
  }
  return "nothing said";
}

let [total, of] = [0, 0];
afterAll(() => console.log(`steps swept: ${total}/${of}, launcher killed`));

for (const [name, golden] of Object.entries(INPUTS)) {
  const fate = golden.keeper === "parent" ? "all that it began is gone" : "its tether outlives it and can be killed";
  test(`${name}: when the launcher is killed at any step, ${fate}`, async () => {
    need("root", "cgroup");
    const place = ground(name, golden);
    const before = surroundings();
    try {
      const found: string[] = [];
      const indices = swept(place.program);
      const rest = [...indices];
      const sweep = async (): Promise<void> => {
        for (let index = rest.shift(); index !== undefined && found.length < MOST_FAULTS; index = rest.shift()) {
          const faults = await faultsOf(place, index).catch((error: unknown) => [
            `${place.program.steps[index ?? 0]?.label}: ${String(error)}`,
          ]);
          if (faults.length === 0) total++;
          found.push(...faults);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, sweep));
      of += indices.length;
      const bad = new Set(found.map((one) => one.split(":")[0])).size;
      console.log(`steps swept: ${indices.length - bad}/${indices.length} of ${name}, launcher killed`);
      expect(found).toEqual([]);
      expect(place.members()).toEqual([]);
      // The launchers that wait are ours, and their pipes.
      expect(leftBehind(before).filter((one) => !/^descriptor (?:pipe|socket|anon_inode:\[pidfd)/.test(one))).toEqual(
        [],
      );
    } finally {
      await place.clear();
    }
  }, 300_000);
}
