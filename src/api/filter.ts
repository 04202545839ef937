/** The part of AIP-160 that lists take: `field = value AND field != value …`. */
import { TeleError } from "#errors";
import { parseTime } from "#runtime/store/time.ts";
import type { Job } from "#spec/job.ts";
import { nearest } from "#spec/nearest.ts";

/** Whether a job is in the list. */
export type Predicate = (job: Job) => boolean;

/** A filter ready to be asked. */
export interface Filter {
  readonly matches: Predicate;
  /** The owner that the filter insists on, where it does: the list need not look at other people's jobs. */
  readonly owner: string | undefined;
}

const OPERATORS = ["!=", "<=", ">=", "=", "<", ">"] as const;
type Operator = (typeof OPERATORS)[number];

/** Values as the states, phases and reasons of `#spec/job.ts` spell them; the type check keeps these lists complete. */
const WORDS = {
  state: { RUNNING: 1, COMPLETED: 1, FAILED: 1, STOPPED: 1 } satisfies Record<Job["state"], 1>,
  phase: { OPEN: 1, CLOSED: 1 } satisfies Record<Job["phase"], 1>,
  reason: {
    RUNNING: 1,
    STOPPING: 1,
    EXITED: 1,
    SIGNALED: 1,
    OOM_KILLED: 1,
    TIMED_OUT: 1,
    OUTPUT_LIMIT: 1,
    STOPPED: 1,
    START_FAILED: 1,
    LOST: 1,
  } satisfies Record<Job["reason"], 1>,
} as const;
const TIMES = ["createTime", "startTime", "endTime"] as const;
const FIELDS = [...Object.keys(WORDS), "owner", "labels.KEY", ...TIMES];

/** Most comparisons in one filter. */
const MAX_TERMS = 64;
const NAME = /[A-Za-z_][A-Za-z0-9_./-]*/y;
const BARE_VALUE = /[^\s"'()=<>!:,]+/y;
const SPACE = /\s*/y;

/** Parses a filter; an empty one matches everything. Throws INVALID_ARGUMENT that names the column and the fault. */
export function parseFilter(text: string): Filter {
  const predicates: Predicate[] = [];
  let owner: string | undefined;
  let at = 0;

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };

  take(SPACE);
  while (at < text.length) {
    if (predicates.length === MAX_TERMS) throw fault(at, `more than ${MAX_TERMS} comparisons`);
    const fieldAt = at;
    const field = take(NAME);
    if (field === undefined) throw fault(at, `expected a field, found ${JSON.stringify(text.charAt(at))}`, FIELDS_HINT);
    if (field === "NOT" || field === "OR" || field === "AND")
      throw fault(fieldAt, `expected a field, found ${field}`, ONLY_AND);
    take(SPACE);
    const operatorAt = at;
    const operator = OPERATORS.find((one) => text.startsWith(one, at));
    if (operator === undefined) throw fault(at, `expected one of ${OPERATORS.join(" ")} after ${field}`);
    at += operator.length;
    take(SPACE);
    const valueAt = at;
    const value = text.charAt(at) === '"' || text.charAt(at) === "'" ? quoted() : take(BARE_VALUE);
    if (value === undefined) throw fault(at, `expected a value after ${field} ${operator}`);
    predicates.push(compile(field, fieldAt, operator, operatorAt, value, valueAt));
    if (field === "owner" && operator === "=") owner ??= value;
    take(SPACE);
    if (at === text.length) break;
    const joinAt = at;
    const join = take(NAME);
    if (join !== "AND")
      throw fault(joinAt, `expected AND, found ${JSON.stringify(join ?? text.charAt(joinAt))}`, ONLY_AND);
    take(SPACE);
    if (at === text.length) throw fault(at, "expected a field after AND", FIELDS_HINT);
  }
  return { owner, matches: (job) => predicates.every((holds) => holds(job)) };

  function quoted(): string {
    const from = at;
    const quote = text.charAt(at++);
    let value = "";
    while (at < text.length) {
      const character = text.charAt(at++);
      if (character === quote) return value;
      if (character === "\\" && at < text.length) value += text.charAt(at++);
      else value += character;
    }
    throw fault(from, "the quoted value does not end");
  }
}

const ONLY_AND = "comparisons can be joined by AND only";
const FIELDS_HINT = `fields are ${FIELDS.join(", ")}`;

function compile(
  field: string,
  fieldAt: number,
  operator: Operator,
  operatorAt: number,
  value: string,
  valueAt: number,
): Predicate {
  if (TIMES.some((name) => name === field))
    return compileTime(field as (typeof TIMES)[number], operator, value, valueAt);
  if (operator !== "=" && operator !== "!=")
    throw fault(operatorAt, `${field} can be compared with = and != only, not ${operator}`);
  const wanted = operator === "=";
  if (field.startsWith("labels.") && field.length > "labels.".length) {
    const label = field.slice("labels.".length);
    return (job) => (Object.hasOwn(job.labels, label) && job.labels[label] === value) === wanted;
  }
  if (field === "owner") return (job) => (job.owner === value) === wanted;
  if (field === "state" || field === "phase" || field === "reason") {
    const words = Object.keys(WORDS[field]);
    if (!words.includes(value)) {
      const meant = nearest(value, words);
      const hint = meant === undefined ? `it can be ${words.join(", ")}` : `did you mean ${meant}?`;
      throw fault(valueAt, `${value} is no ${field}`, hint);
    }
    return (job) => (job[field] === value) === wanted;
  }
  const meant = nearest(field, FIELDS);
  throw fault(fieldAt, `${field} is no field`, meant === undefined ? FIELDS_HINT : `did you mean ${meant}?`);
}

function compileTime(field: (typeof TIMES)[number], operator: Operator, value: string, valueAt: number): Predicate {
  const limit = parseTime(value);
  if (limit === undefined)
    throw fault(valueAt, `${value} is no time`, 'write RFC 3339 in quotes, such as "2026-11-22T12:00:00Z"');
  // A job that has no such time yet is in no order to any: only `!=` holds.
  return (job) => {
    const text = job[field];
    const time = text === undefined ? undefined : parseTime(text);
    if (time === undefined) return operator === "!=";
    switch (operator) {
      case "=":
        return time === limit;
      case "!=":
        return time !== limit;
      case "<":
        return time < limit;
      case "<=":
        return time <= limit;
      case ">":
        return time > limit;
      case ">=":
        return time >= limit;
    }
  };
}

function fault(at: number, detail: string, hint = 'write it like: state = RUNNING AND labels.app = "web"'): TeleError {
  const where = `column ${at + 1}: ${detail}`;
  return new TeleError("INVALID_ARGUMENT", {
    detail: `filter, ${where}`,
    hint,
    faults: [{ pointer: "?filter", detail: where }],
  });
}
