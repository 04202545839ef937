/** The engine against the floor, in one run, pair by pair: from the call to the reaped child of `/bin/true`. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { F } from "#ffi/abi/fcntl.ts";
import { P, W } from "#ffi/abi/wait.ts";
import { call, must, scratch } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { readFacts } from "#host/facts.ts";
import { lookupUser } from "#host/users.ts";
import { assemble } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import { decodeMessage, MESSAGE } from "#program/report.ts";
import { launch } from "#runtime/launch.ts";
import { tether as tetherOf } from "#runtime/tether.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { JobSpecSchema } from "#spec/schema.ts";
import { bare, compile, responder, timed } from "./responder.ts";
import { type Goal, goals, median, ms, pairedRatio, quantile, table } from "./table.ts";

const rounds = 400;
const warmUp = 40;

/** Nanoseconds of one launch by the engine. */
interface Sample {
  /** Making the machine code out of a spec: in the daemon this is what blocks the event loop. */
  compiled: number;
  /** `launch`, mostly waiting for clone3: in the daemon on the pump's thread. */
  launched: number;
  /** From the call to the reaped child. */
  whole: number;
}

/** The section `launch` as Markdown. */
export async function launches(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tele-bench-"));
  const floor = responder(compile(folder, "floor"), ["serve", compile(folder, "tether", ...bare)]);
  const engine = engineIn(folder);
  const own: Sample[] = [];
  const same: number[] = [];
  const least: number[] = [];
  try {
    for (let round = -warmUp; round < rounds; round++) {
      // The order changes, so that none is always the first after the pause of talking to the other process.
      const askFloor = async (): Promise<void> => {
        const [a, b] = [timed(await floor.ask("tether")), timed(await floor.ask("inline"))];
        if (round < 0) return;
        same.push(a);
        least.push(b);
      };
      if (round % 2 === 0) await askFloor();
      const sample = engine.once();
      if (round >= 0) own.push(sample);
      if (round % 2 !== 0) await askFloor();
    }
  } finally {
    await floor.close();
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const whole = own.map((sample) => sample.whole);
  const compiled = own.map((sample) => sample.compiled);
  const row = (name: string, samples: number[], base?: number[]): string[] => [
    name,
    ms(median(samples)),
    ms(quantile(samples, 0.95)),
    base === undefined ? "" : `${pairedRatio(samples, base).toFixed(2)} ×`,
  ];
  const ratio = pairedRatio(whole, same);
  const list: Goal[] = [
    { what: "engine, of the floor", measured: `${ratio.toFixed(2)} ×`, goal: "≤ 1.5 ×", met: ratio <= 1.5 },
    {
      what: "event loop blocked per launch",
      measured: ms(median(compiled)),
      goal: "≤ 1 ms",
      met: median(compiled) <= 1e6,
    },
  ];
  return [
    table(
      ["launch of `/bin/true` to reaped, in process", "median", "p95", "of the floor"],
      [
        row("C floor: the same system calls", same, same),
        row("C floor without pipes, memfd and tether", least, same),
        row("tele's engine", whole, same),
        row("– of which planning and assembling, on the event loop", compiled),
        row(
          "– of which `launch`, on the pump's thread",
          own.map((sample) => sample.launched),
        ),
      ],
    ),
    goals(list),
  ].join("\n\n");
}

/** The engine as the daemon uses it, without cgroups and files; what the pump would do is done here, blocking. */
function engineIn(folder: string): { once: () => Sample; close: () => void } {
  const spec = JobSpecSchema.parse({ command: ["/bin/true"] });
  const limits = effectiveLimits(spec.limits);
  const facts = { ...readFacts([]), cgroup: { v2: false, v1: 0 } };
  const stdin = openSync("/dev/null", "r");
  const record = openSync(join(folder, "record"), "w");
  const memory = scratch(4096);
  const message = memory.room(MESSAGE.size);
  const expect = (report: number, kind: "started" | "ended"): void => {
    // SAFETY: the region is as long as the read.
    must("read", report, message.address, MESSAGE.size);
    const got = decodeMessage(message.bytes);
    if (got?.kind !== kind) throw new Error(`the tether says ${JSON.stringify(got)} instead of ${kind}`);
  };
  const once = (): Sample => {
    const from = process.hrtime.bigint();
    const program = plan({ spec, limits, identity: lookupUser(spec.user), facts });
    const executable = assemble(program, hostArchitecture());
    const compiled = process.hrtime.bigint();
    const launched = launch({ tether: executable, namespaces: program.namespaces, record, stdin, cgroup: [] });
    const returned = process.hrtime.bigint();
    must("fcntl", launched.report, F.SETFL, 0);
    expect(launched.report, "started");
    expect(launched.report, "ended");
    const tether = tetherOf(launched.pid, launched.pidfd, 0);
    tether.release();
    must("waitid", P.PIDFD, launched.pidfd, 0, W.EXITED);
    const reaped = process.hrtime.bigint();
    tether.close();
    for (const fd of [launched.report, launched.stdout, launched.stderr]) call("close", fd);
    ftruncateSync(record, 0);
    const since = (to: bigint, start: bigint): number => Number(to - start);
    return { compiled: since(compiled, from), launched: since(returned, compiled), whole: since(reaped, from) };
  };
  return {
    once,
    close: () => {
      closeSync(stdin);
      closeSync(record);
    },
  };
}
