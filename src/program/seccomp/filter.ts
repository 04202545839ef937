/** A system call filter as data: what `compile` turns into a program for the kernel, and what tests read it against. */

/** What happens to a call. */
export type Action =
  | "ALLOW"
  /** Allowed, and noted in the kernel's log. */
  | "LOG"
  /** A supervisor answers (seccomp_unotify(2)). */
  | "USER_NOTIF"
  /** SIGSYS. */
  | "TRAP"
  | "KILL_THREAD"
  | "KILL_PROCESS"
  /** The call is not made and answers this error, 1 to 4095. */
  | { readonly errno: number };

export type Operator = "==" | "!=" | "<" | "<=" | ">" | ">=";

/** `(argument & mask) op value`, unsigned, in 64 bits. */
export interface Condition {
  /** 0 to 5. */
  readonly arg: number;
  readonly op: Operator;
  readonly value: bigint;
  /** Every bit, where it is left out. */
  readonly mask?: bigint;
}

export interface Rule {
  /** Names; those of other machines are passed over. */
  readonly calls: readonly string[];
  readonly action: Action;
  /** All of them must hold. */
  readonly args?: readonly Condition[];
  /** A denial that programs expect and have a way around: nothing to report. */
  readonly quiet?: true;
}

/** For each call the first rule that matches decides, and the default where none does. */
export interface Filter {
  readonly default: Action;
  readonly rules: readonly Rule[];
  /** `SECCOMP_FILTER_FLAG_*` to install it with. */
  readonly flags?: number;
}

const EVERY_BIT = 0xffff_ffff_ffff_ffffn;
const LOW_WORD = 0xffff_ffffn;

/**
 * A condition on the low word, for arguments that are 32 bits in the kernel. Comparing all 64 of them would let
 * `ioctl(0, 0x1_0000_5412)` pass as something else than TIOCSTI (CVE-2019-10063).
 */
export function word(arg: number, op: Operator, value: number): Condition {
  return { arg, op, value: BigInt(value), mask: LOW_WORD };
}

/** Whether any of these bits is set. */
export function anyOf(arg: number, bits: bigint | number): Condition {
  return { arg, op: "!=", value: 0n, mask: BigInt(bits) };
}

/** Whether none of these bits is set. */
export function noneOf(arg: number, bits: bigint | number): Condition {
  return { arg, op: "==", value: 0n, mask: BigInt(bits) };
}

const indexes = new WeakMap<Filter, ReadonlyMap<string, readonly Rule[]>>();

/** The rules of each call in their order, up to the first that always matches. */
export function rulesByCall(filter: Filter): ReadonlyMap<string, readonly Rule[]> {
  let index = indexes.get(filter);
  if (!index) {
    const lists = new Map<string, Rule[]>();
    for (const rule of filter.rules) {
      for (const call of rule.calls) {
        const list = lists.get(call);
        if (!list) lists.set(call, [rule]);
        else if (!isAlways(list[list.length - 1])) list.push(rule);
      }
    }
    index = lists;
    indexes.set(filter, index);
  }
  return index;
}

/** Whether a rule asks nothing of the arguments. */
export function isAlways(rule: Rule | undefined): boolean {
  return rule !== undefined && (rule.args ?? []).length === 0;
}

/** What a filter makes of a call; `call` is undefined for a number that is nobody's. */
export function outcome(filter: Filter, call: string | undefined, args: readonly bigint[]): Action {
  const rules = call === undefined ? undefined : rulesByCall(filter).get(call);
  const rule = rules?.find(({ args: conditions }) => (conditions ?? []).every((one) => holds(one, args)));
  return rule?.action ?? filter.default;
}

function holds({ arg, op, value, mask = EVERY_BIT }: Condition, args: readonly bigint[]): boolean {
  const masked = (args[arg] ?? 0n) & mask;
  switch (op) {
    case "==":
      return masked === value;
    case "!=":
      return masked !== value;
    case "<":
      return masked < value;
    case "<=":
      return masked <= value;
    case ">":
      return masked > value;
    case ">=":
      return masked >= value;
  }
}
