/** A filter in a few lines, for people. */
import { errnoName } from "#ffi/abi/errno.ts";
import { type Action, type Filter, isAlways, rulesByCall } from "./filter.ts";

/** Names of one line; what is more is counted. */
const NAMES = 12;

/** `tele plan`'s lines: what is always allowed, what is refused and how, what depends on arguments, and the rest. */
export function describe(filter: Filter): string[] {
  const always = new Map<string, string[]>();
  const byArgument: string[] = [];
  for (const [call, [first]] of rulesByCall(filter)) {
    if (!isAlways(first)) byArgument.push(call);
    else if (first) always.set(words(first.action), [...(always.get(words(first.action)) ?? []), call]);
  }
  const lines = [...always].map(([action, calls]) =>
    action === "allow" ? `allow ${count(calls)}` : `${action} ${count(calls)}: ${some(calls)}`,
  );
  if (byArgument.length > 0) lines.push(`by argument ${count(byArgument)}: ${some(byArgument)}`);
  return [...lines, `otherwise ${words(filter.default)}`, "kill whatever calls as another architecture does"];
}

function words(action: Action): string {
  if (typeof action === "object") return errnoName(action.errno);
  return action.toLowerCase().replace("_", " ");
}

const count = (calls: readonly string[]): string => `${calls.length} ${calls.length === 1 ? "call" : "calls"}`;

function some(calls: readonly string[]): string {
  const more = calls.length - NAMES;
  return calls.slice(0, NAMES).join(" ") + (more > 0 ? ` and ${more} more` : "");
}
