/** A whole system call filter as data that people can read: the first rule that matches a call decides. */
import { errnoName } from "#ffi/abi/errno.ts";
import type { Action, Condition, Filter } from "#program/seccomp/filter.ts";

/** The filter as JSON: words for actions, C for conditions. */
export function filterData({ default: otherwise, rules }: Filter): unknown {
  return {
    rules: rules.map(({ calls, action, args = [] }) => ({
      action: actionText(action),
      calls,
      ...(args.length > 0 && { where: args.map(conditionText) }),
    })),
    otherwise: actionText(otherwise),
  };
}

function actionText(action: Action): string {
  return typeof action === "string" ? action.toLowerCase().replaceAll("_", " ") : errnoName(action.errno);
}

function conditionText({ arg, op, value, mask }: Condition): string {
  const left = mask === undefined ? `args[${arg}]` : `(args[${arg}] & 0x${mask.toString(16)})`;
  return `${left} ${op} 0x${value.toString(16)}`;
}
