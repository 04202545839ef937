/** From a spec to everything that `tele run` launches and `tele plan` shows; nothing of it runs yet. */
import { call } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { claimRange } from "#host/claimed-range.ts";
import { readFacts } from "#host/facts.ts";
import { fileSources } from "#host/mount-sources.ts";
import { openUnowned } from "#host/unowned.ts";
import { lookupUser } from "#host/users.ts";
import { assemble } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import { hardeningOf } from "#program/hardening.ts";
import type { PlanInput } from "#program/phase.ts";
import { isUnowned } from "#program/shape.ts";
import type { Program } from "#program/step.ts";
import type { Facts, IdMapLine, IdMaps } from "#spec/facts.ts";
import type { Enforced } from "#spec/job.ts";
import { mapsOf } from "#spec/facts.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { policyOf } from "#spec/policy.ts";
import type { JobSpec } from "#spec/schema.ts";
import { type AdmissionHost, admit } from "../admission.ts";
import { ownIds } from "./ids.ts";
import { type ForegroundLimits, openLimits } from "./limits.ts";
import { type SubordinateMap, subordinateMap } from "./subordinate.ts";

/** Ids of a job as a usual system numbers its users with, `nobody` (65534) included. */
const IDS = 65_536;

export interface ForegroundOptions {
  /** Directories of ours that it may not see. */
  readonly hide: readonly string[];
  /** As an ordinary user: take the ids of /etc/subuid and /etc/subgid. */
  readonly subids?: boolean;
  /** Allow, and write down, every call. */
  readonly learn?: boolean;
}

/** A sandbox that is ready to be launched. */
export interface Foreground {
  readonly input: PlanInput;
  readonly program: Program;
  /** The program's tether. */
  readonly tether: () => Uint8Array;
  readonly limits: ForegroundLimits;
  /** By what everything is held, as far as it is known before its cgroup is made. */
  readonly enforced: Enforced;
  /** The map of its tether's own user namespace. */
  readonly tetherIds?: IdMaps;
  readonly subordinate?: SubordinateMap;
  /** The user namespace for `Facts.unowned`, where the program asks for it. */
  readonly unowned?: number;
  /** Gives everything back. */
  close(): Promise<void>;
}

/**
 * Prepares a spec. INVALID_ARGUMENT with every fault, LIMIT_NOT_ENFORCEABLE where it requires what this host lacks,
 * FAILED_PRECONDITION where this user can have no sandbox here.
 */
export async function prepareForeground(asked: JobSpec, options: ForegroundOptions): Promise<Foreground> {
  const limits = await openLimits(asked);
  const undo: (() => unknown)[] = [() => limits.close()];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const found = readFacts(options.hide);
    const unowned = found.privileged ? openUnowned() : undefined;
    if (unowned) undo.push(() => call("close", unowned.namespace));
    const facts: Facts = { ...found, cgroup: limits.ways, ...(unowned && { unowned: unowned.points }) };
    const subordinate = options.subids && !facts.privileged ? subordinateMap() : undefined;
    const most = facts.privileged ? IDS : subordinate?.count;
    const inputFor = (spec: JobSpec, ids?: IdMaps): PlanInput => ({
      spec,
      policy: policyOf(spec),
      limits: effectiveLimits(spec.limits),
      identity: lookupUser(spec.user),
      facts,
      keeper: "parent",
      files: fileSources(spec.mounts),
      ...(ids && { ids }),
      ...(options.learn && { learn: true }),
    });
    const host: AdmissionHost = {
      ceiling: {},
      facts,
      keeper: "parent",
      ...(most !== undefined && { ids: most }),
      enforced: (spec) => enforcedOf(limits, { spec, facts }),
    };
    const spec = admit(asked, host);
    const planned = inputFor(spec);
    let ids: IdMaps | undefined;
    if (planned.policy.userns === "private" && facts.privileged) {
      const range = claimRange();
      undo.push(() => range.release());
      ids = mapsOf(range);
    } else if (planned.policy.userns === "private") ids = unprivilegedIds(planned.identity, subordinate);
    const input = ids ? { ...planned, ids } : planned;
    const program = plan(input);
    let tether: Uint8Array | undefined;
    return {
      input,
      program,
      tether: () => (tether ??= assemble(program, hostArchitecture())),
      limits,
      enforced: enforcedOf(limits, input),
      ...(!facts.privileged && { tetherIds: subordinate?.maps ?? ownIds() }),
      ...(subordinate && { subordinate }),
      ...(unowned && isUnowned(input) && { unowned: unowned.namespace }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The job's ids as such a tether sees them: all of its own, or the one that it has under whichever number is wanted. */
function unprivilegedIds(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  subordinate: SubordinateMap | undefined,
): IdMaps {
  if (subordinate) {
    // Line by line: no line of a map may span two of its parent's (user_namespaces(7)).
    const same = ({ inside, count }: IdMapLine): IdMapLine => ({ inside, outside: inside, count });
    return { uids: subordinate.maps.uids.map(same), gids: subordinate.maps.gids.map(same) };
  }
  return { uids: [{ inside: uid, outside: 0, count: 1 }], gids: [{ inside: gid, outside: 0, count: 1 }] };
}

/** By what each limit and each hardening is held. */
function enforcedOf(
  limits: ForegroundLimits,
  { spec, facts, ids }: Pick<PlanInput, "spec" | "facts" | "ids">,
): Enforced {
  const { nofile } = effectiveLimits(spec.limits);
  return {
    ...limits.expected(),
    nofile: {
      by: "rlimit",
      ...(nofile > facts.nofileHard && { why: `no more than ${facts.nofileHard}, our own hard limit` }),
    },
    output: { by: "none", why: "its output is not kept" },
    timeout: spec.timeout === undefined ? { by: "none", why: "no timeout was asked for" } : { by: "tele" },
    ...hardeningOf(policyOf(spec), facts, { spec, ...(ids && { ids }) }),
  };
}
