/** The engine as the daemon uses it, without cgroups and files; what the pump would do is done here, blocking. */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { F } from "#ffi/abi/fcntl.ts";
import { P, W } from "#ffi/abi/wait.ts";
import { call, must, scratch } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { readFacts } from "#host/facts.ts";
import { lookupUser } from "#host/users.ts";
import { assemble } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import { blame, decodeMessage, MESSAGE } from "#program/report.ts";
import type { Program } from "#program/step.ts";
import { launch } from "#runtime/launch.ts";
import { tether as tetherOf } from "#runtime/tether.ts";
import { mapsOf } from "#spec/facts.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { policyOf } from "#spec/policy.ts";
import { type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";

/** Nanoseconds of one launch by the engine. */
export interface Sample {
  /** Making the machine code out of a spec: in the daemon this is what blocks the event loop. */
  readonly compiled: number;
  /** `launch`, mostly waiting for clone3: in the daemon on the pump's thread. */
  readonly launched: number;
  /** From the call to the reaped child. */
  readonly whole: number;
}

/** Launches `/bin/true`. */
export interface Engine {
  /** One launch of a job with this security. Throws when it does not end with 0. */
  once(security?: JobSpecInput["security"]): Sample;
  /** Landlock's ABI on this host; 0 where there is none. */
  readonly landlock: number;
  close(): void;
}

/** An engine whose exit records go to a file in the folder. */
export function engineIn(folder: string): Engine {
  const facts = { ...readFacts([]), cgroup: { v2: false, v1: 0 } };
  const stdin = openSync("/dev/null", "r");
  const record = openSync(join(folder, "record"), "w");
  const memory = scratch(4096);
  const message = memory.room(MESSAGE.size);
  const ids = mapsOf({ start: 2 ** 31, count: 65_536 });
  const expect = (program: Program, report: number, kind: "started" | "ended"): void => {
    // SAFETY: the region is as long as the read.
    must("read", report, message.address, MESSAGE.size);
    const got = decodeMessage(message.bytes);
    if (got?.kind === kind) return;
    const why = got?.kind === "failed" ? blame(program.steps, got) : got;
    throw new Error(`the tether says ${JSON.stringify(why)} instead of ${kind}`);
  };
  return {
    landlock: facts.landlock,
    once(security = {}) {
      const spec = JobSpecSchema.parse({ command: ["/bin/true"], security });
      const from = process.hrtime.bigint();
      const identity = lookupUser(spec.user);
      const limits = effectiveLimits(spec.limits);
      const program = plan({ spec, policy: policyOf(spec), limits, identity, facts, ids, keeper: "daemon" });
      const executable = assemble(program, hostArchitecture());
      const compiled = process.hrtime.bigint();
      const launched = launch({ tether: executable, namespaces: program.namespaces, record, stdin, cgroup: [] });
      const returned = process.hrtime.bigint();
      must("fcntl", launched.report, F.SETFL, 0);
      expect(program, launched.report, "started");
      expect(program, launched.report, "ended");
      const tether = tetherOf(launched.pid, launched.pidfd, 0);
      tether.release();
      must("waitid", P.PIDFD, launched.pidfd, 0, W.EXITED);
      const reaped = process.hrtime.bigint();
      tether.close();
      for (const fd of [launched.report, launched.stdout, launched.stderr]) call("close", fd);
      ftruncateSync(record, 0);
      const since = (to: bigint, start: bigint): number => Number(to - start);
      return { compiled: since(compiled, from), launched: since(returned, compiled), whole: since(reaped, from) };
    },
    close() {
      closeSync(stdin);
      closeSync(record);
    },
  };
}
