/** Filters that ask a supervisor (seccomp_unotify(2)): to report what was denied, and to learn what is needed. */
import { type Action, type Filter, outcome, type Rule, word } from "./filter.ts";

/** The listener reaches the supervisor through this call, made by the very thread that the filter holds. */
function handOver(descriptor: number): Rule {
  return { calls: ["sendmsg"], action: "ALLOW", args: [word(0, "==", descriptor)] };
}

const denies = (action: Action): action is { readonly errno: number } => typeof action === "object";
const asks = (action: Action): Action => (denies(action) ? "USER_NOTIF" : action);

const reportings = new WeakMap<Filter, Map<number, Filter>>();

/**
 * The same filter, but a supervisor hears of each denial and answers what `denialOf` says. What is quiet stays so, and
 * sendmsg on `descriptor` goes through: over it the workload hands its listener to the supervisor.
 */
export function reporting(filter: Filter, descriptor: number): Filter {
  const known = reportings.get(filter) ?? new Map<number, Filter>();
  reportings.set(filter, known);
  let made = known.get(descriptor);
  if (!made) {
    made = {
      ...filter,
      default: asks(filter.default),
      rules: [
        handOver(descriptor),
        ...filter.rules.map((rule) => (rule.quiet ? rule : { ...rule, action: asks(rule.action) })),
      ],
    };
    known.set(descriptor, made);
  }
  return made;
}

/** The error that a filter means a call to get, undefined where it means another thing than an error; for the supervisor. */
export function denialOf(filter: Filter, call: string | undefined, args: readonly bigint[]): number | undefined {
  const action = outcome(filter, call, args);
  return denies(action) ? action.errno : undefined;
}

/**
 * Every call is the supervisor's to answer, but for sendmsg on `descriptor`, as with `reporting`, and what tells on
 * `report` that it could not be made, and leaves: nobody but the caller has the listener then, and it would wait forever.
 */
export function learning(descriptor: number, report: number): Filter {
  return {
    default: "USER_NOTIF",
    rules: [
      handOver(descriptor),
      { calls: ["write"], action: "ALLOW", args: [word(0, "==", report)] },
      { calls: ["exit_group"], action: "ALLOW" },
    ],
  };
}
