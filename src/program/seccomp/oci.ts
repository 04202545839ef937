/** Filters in the form of the OCI runtime specification (config-linux.md, `seccomp`), in and out. */
import { type Fault, TeleError } from "#errors";
import { ERRNO } from "#ffi/abi/errno.ts";
import { SECCOMP_FILTER_FLAG } from "#ffi/abi/seccomp.ts";
import { callNames, isCall } from "#ffi/abi/syscall-numbers.ts";
import type { Architecture } from "#ffi/syscalls.ts";
import { nearest } from "#spec/nearest.ts";
import type { OciSeccomp } from "#spec/oci-seccomp.ts";
import { compile } from "./compile.ts";
import type { Action, Condition, Filter, Operator, Rule } from "./filter.ts";

type OciRule = OciSeccomp["syscalls"][number];
type OciArgument = NonNullable<OciRule["args"]>[number];

/** Where a filter stands in a JobSpec. */
const POINTER = "/security/seccomp";
const NATIVE: Readonly<Record<Architecture, string>> = { x86_64: "SCMP_ARCH_X86_64", aarch64: "SCMP_ARCH_AARCH64" };

const ACTIONS: Readonly<Record<Exclude<OciSeccomp["defaultAction"], "SCMP_ACT_ERRNO">, Action>> = {
  SCMP_ACT_ALLOW: "ALLOW",
  SCMP_ACT_LOG: "LOG",
  SCMP_ACT_TRAP: "TRAP",
  // As in libseccomp, where this was the only one once.
  SCMP_ACT_KILL: "KILL_THREAD",
  SCMP_ACT_KILL_THREAD: "KILL_THREAD",
  SCMP_ACT_KILL_PROCESS: "KILL_PROCESS",
};

const OPERATORS: Readonly<Record<Exclude<OciArgument["op"], "SCMP_CMP_MASKED_EQ">, Operator>> = {
  SCMP_CMP_NE: "!=",
  SCMP_CMP_LT: "<",
  SCMP_CMP_LE: "<=",
  SCMP_CMP_EQ: "==",
  SCMP_CMP_GE: ">=",
  SCMP_CMP_GT: ">",
};

/** The sandbox's one thread installs its filter before it is a program, so that synchronising threads is done already. */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: SECCOMP_FILTER_FLAG.LOG,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: SECCOMP_FILTER_FLAG.SPEC_ALLOW,
};

/**
 * Everything that is wrong with a filter on this machine. Calls of other machines are no fault, and neither is it to
 * list i386, x32 or arm among the architectures, as most filters do: they stay closed.
 */
export function ociFaults(oci: OciSeccomp, architecture: Architecture): Fault[] {
  const faults: Fault[] = [];
  const add = (pointer: string, detail: string): number => faults.push({ pointer: POINTER + pointer, detail });
  oci.syscalls.forEach(({ names }, rule) =>
    names.forEach((name, index) => {
      if (isCall(name)) return;
      const meant = nearest(name, callNames(architecture));
      add(
        `/syscalls/${rule}/names/${index}`,
        `there is no system call ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}`,
      );
    }),
  );
  const { architectures = [], flags = [] } = oci;
  if (architectures.length > 0 && !architectures.includes(NATIVE[architecture]))
    add("/architectures", `must have ${NATIVE[architecture]}, which this host is, or be left out`);
  architectures.forEach((name, index) => {
    if (!/^SCMP_ARCH_[A-Z0-9_]+$/.test(name)) add(`/architectures/${index}`, `there is no architecture ${name}`);
  });
  flags.forEach((name, index) => {
    if (!Object.hasOwn(FLAGS, name))
      add(`/flags/${index}`, `${name} is not supported; the ones that are: ${Object.keys(FLAGS).join(", ")}`);
  });
  return faults.length > 0 ? faults : lengthFaults(oci, architecture);
}

function lengthFaults(oci: OciSeccomp, architecture: Architecture): Fault[] {
  try {
    compile(fromOci(oci), architecture);
    return [];
  } catch (error) {
    if (error instanceof TeleError) return [{ pointer: POINTER, detail: error.fields.detail }];
    throw error;
  }
}

const translated = new WeakMap<OciSeccomp, Filter>();

/** The filter of a list without `ociFaults`; the same one for the same list. Of several rules that match, the first decides. */
export function fromOci(oci: OciSeccomp): Filter {
  let filter = translated.get(oci);
  if (!filter) {
    const flags = (oci.flags ?? []).reduce((bits, name) => bits | (FLAGS[name] ?? 0), 0);
    filter = {
      default: actionOf(oci.defaultAction, oci.defaultErrnoRet),
      rules: oci.syscalls.flatMap(rulesOf),
      ...(flags !== 0 && { flags }),
    };
    translated.set(oci, filter);
  }
  return filter;
}

function actionOf(action: OciSeccomp["defaultAction"], errno: number = ERRNO.EPERM): Action {
  return action === "SCMP_ACT_ERRNO" ? { errno } : ACTIONS[action];
}

/** All conditions of a rule must hold; but where two are about one argument, each is a rule by itself (runc, crun). */
function rulesOf({ names, action, errnoRet, args }: OciRule): Rule[] {
  const conditions = (args ?? []).map(conditionOf);
  const rule = { calls: names, action: actionOf(action, errnoRet) };
  const twice = new Set(conditions.map(({ arg }) => arg)).size < conditions.length;
  return twice ? conditions.map((one) => ({ ...rule, args: [one] })) : [{ ...rule, args: conditions }];
}

function conditionOf({ index, value, valueTwo = 0, op }: OciArgument): Condition {
  // The first value is the mask here (seccomp_rule_add(3)).
  if (op === "SCMP_CMP_MASKED_EQ") return { arg: index, op: "==", value: BigInt(valueTwo), mask: BigInt(value) };
  return { arg: index, op: OPERATORS[op], value: BigInt(value) };
}

/** The smallest filter that allows just these calls; others answer ENOSYS. */
export function toOci(calls: Iterable<string>): OciSeccomp {
  const names = [...new Set(calls)].sort();
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ERRNO.ENOSYS,
    syscalls: names.length > 0 ? [{ names, action: "SCMP_ACT_ALLOW" }] : [],
  };
}
