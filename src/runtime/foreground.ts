/** A sandbox in this process: it runs with our own descriptors 0 to 2, and ends at the latest with us. */
import { TeleError } from "#errors";
import { MFD } from "#ffi/abi/memfd.ts";
import { call, must, scratch, SystemError } from "#ffi/call.ts";
import type { JobCgroup } from "#host/cgroup/job.ts";
import { mappingNamespace } from "#host/mapping-namespace.ts";
import { usernsObstacle } from "#host/userns.ts";
import { callBrief } from "#program/listing.ts";
import { isIdMapped } from "#program/phases/60-mounts.ts";
import { blame, decodeRecord, type ExitRecord, RECORD } from "#program/report.ts";
import type { EndRecord, Enforced } from "#spec/job.ts";
import type { OciSeccomp } from "#spec/oci-seccomp.ts";
import { checkRequired } from "./admission.ts";
import { attend, type Outcome } from "./foreground/attend.ts";
import { foregroundCalls, type ForegroundCalls } from "./foreground/denials.ts";
import type { Foreground } from "./foreground/prepare.ts";
import { catchSignals } from "./foreground/signals.ts";
import { launch, type Launched } from "./launch.ts";
import { conclude } from "./lifecycle.ts";
import { startHint } from "./start-hint.ts";

export interface RunOptions {
  /** From TERM, when its time is up, to KILL. */
  readonly graceMs: number;
  /** The workload runs: its pid as the host numbers it, and by what everything is held. */
  readonly started?: (pid: number | undefined, enforced: Enforced) => void;
}

/** How a sandbox ended that ran. */
export interface ForegroundEnd {
  readonly end: EndRecord;
  readonly timedOut: boolean;
  /** The smallest filter that would have done, where it was to be learned. */
  readonly learned?: OciSeccomp;
}

/** Runs what was prepared to its end; nothing of it is left then. Throws TeleError (START_FAILED, LIMIT_NOT_ENFORCEABLE). */
export async function runForeground(prepared: Foreground, options: RunOptions): Promise<ForegroundEnd> {
  const cgroup = await prepared.limits.create();
  try {
    const enforced = { ...prepared.enforced, ...cgroup?.enforced };
    checkRequired(prepared.input.spec, enforced);
    return await runInside(prepared, cgroup, enforced, options);
  } finally {
    await cgroup?.remove();
  }
}

async function runInside(
  prepared: Foreground,
  cgroup: JobCgroup | undefined,
  enforced: Enforced,
  options: RunOptions,
): Promise<ForegroundEnd> {
  const { input } = prepared;
  const signals = catchSignals();
  const record = must("memfd_create", scratch(4096).text("tele-record"), MFD.CLOEXEC);
  const calls = foregroundCalls(input);
  try {
    const launched = start(prepared, cgroup, record, calls);
    const outcome = attend(launched, {
      signals,
      sameSession: !input.policy.newSession,
      graceMs: options.graceMs,
      ...(input.spec.timeout !== undefined && { timeoutMs: input.spec.timeout }),
      ...(calls && { also: calls }),
      started: (workload) => options.started?.(workload.pid(), enforced),
    });
    call("close", launched.pidfd);
    return endOf(prepared, cgroup, outcome, readRecord(record), calls);
  } finally {
    calls?.close();
    call("close", record);
  }
}

function start(
  { input, program, tether, limits, tetherIds, subordinate, unowned }: Foreground,
  cgroup: JobCgroup | undefined,
  record: number,
  calls: ForegroundCalls | undefined,
): Launched {
  const { directory, tasks = [] } = cgroup ?? {};
  const mapped = input.spec.mounts.some((mount) => isIdMapped(input, mount));
  const idmap = input.ids && mapped ? mappingNamespace(input.ids) : undefined;
  try {
    return launch({
      tether: tether(),
      namespaces: program.namespaces,
      record,
      stdin: 0,
      output: { stdout: 1, stderr: 2 },
      cgroup: directory === undefined ? tasks : [directory, ...tasks],
      bound: true,
      passed: input.spec.command,
      ...(limits.tethers !== undefined && { tetherCgroup: limits.tethers }),
      ...(tetherIds && { ids: tetherIds }),
      ...(subordinate && { writeIds: (pid: number) => subordinate.write(pid) }),
      ...(idmap !== undefined && { idmap }),
      ...(unowned !== undefined && { unowned }),
      ...(calls && { listener: calls.socket }),
    });
  } catch (error) {
    throw error instanceof SystemError ? refusal(error) : error;
  } finally {
    calls?.launched();
    if (idmap !== undefined) call("close", idmap);
    cgroup?.closeDescriptors();
  }
}

/** What the kernel refuses before the tether runs is blamed like any other step, with what is known to keep us from it. */
function refusal({ call: name, errnoName: errno }: SystemError): TeleError {
  const step = `tether.${name.replaceAll("_", "-")}`;
  const obstacle = name === "clone3" ? usernsObstacle({ call: "clone3", errno }) : undefined;
  return new TeleError("START_FAILED", {
    detail: `${step}: ${name}: ${errno}${obstacle ? ` (${obstacle.why})` : ""}`,
    step,
    errno,
    hint: obstacle?.remedy ?? "see what this host offers with: tele doctor",
  });
}

function endOf(
  { input, program }: Foreground,
  cgroup: JobCgroup | undefined,
  { started, failure, timedOut, tether }: Outcome,
  exit: ExitRecord | undefined,
  calls: ForegroundCalls | undefined,
): ForegroundEnd {
  const failed = failure && program.steps[failure.step];
  if (failure && failed) {
    const { step, errno } = blame(program.steps, failure);
    throw new TeleError("START_FAILED", {
      detail: `${step}: ${callBrief(failed)}: ${errno}`,
      step,
      errno,
      ...startHint(step, errno, { spec: input.spec }),
    });
  }
  if (!started && !timedOut && !exit)
    throw new TeleError("START_FAILED", {
      detail: "tether.start: the tether died before the program ran",
      step: "tether.start",
      errno: "EIO",
    });
  const { memoryBytes: _memory, pids: _pids, ...counted } = cgroup?.usage() ?? {};
  const known = Object.fromEntries(Object.entries(counted).filter(([, value]) => value !== undefined));
  const { end } = conclude({
    exit,
    tether: exit ? undefined : tether,
    ...(timedOut && { stop: { reason: "TIMED_OUT", by: "tele" } }),
    oomKilled: cgroup?.oomKilled() ?? false,
    usage: {
      wallUs: exit ? Number((exit.endNs - exit.startNs) / 1000n) : 0,
      ...(exit && {
        cpuUs: exit.userUs + exit.systemUs,
        memoryPeakBytes: exit.maxRssBytes,
      }),
      ...known,
      ...(exit && { userUs: exit.userUs, systemUs: exit.systemUs }),
      outputBytes: 0,
    },
  });
  const [denied, learned] = [calls?.denied(), calls?.learned()];
  return { end: { ...end, ...(denied && { deniedCalls: denied }) }, timedOut, ...(learned && { learned }) };
}

/** What the tether has written into it, where it came so far. */
function readRecord(fd: number): ExitRecord | undefined {
  const { address, bytes } = scratch(RECORD.size).room(RECORD.size);
  const length = call("pread64", fd, address, bytes.length, 0);
  return length > 0 ? decodeRecord(bytes.subarray(0, length)) : undefined;
}
