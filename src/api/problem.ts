/** RFC 9457 problem documents: the one place where errors become what a client reads. */
import leven from "leven";
import { z } from "zod";
import { CODES, TeleError, type Code, type Fault } from "#errors";

export const PROBLEM_TYPE = "application/problem+json";

/** What a client reads of an error. */
export interface Problem {
  /** `urn:tele:problem:<code>` */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** What to do next. */
  readonly hint?: string;
  /** Label of the step that failed. */
  readonly step?: string;
  /** Name of the kernel's error. */
  readonly errno?: string;
  /** Every fault of the request, at once. */
  readonly faults?: readonly Fault[];
  /** Path of the resource it is about. */
  readonly instance?: string;
}

/** `INVALID_ARGUMENT` as `Invalid argument`. */
function titleOf(code: Code): string {
  const words = code.toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The problem document of any error. What is not a TeleError says nothing about itself: it may hold secrets. */
export function problemOf(error: unknown): Problem {
  const known =
    error instanceof TeleError
      ? error
      : new TeleError("INTERNAL", { detail: "something went wrong inside tele", hint: "look into the server's log" });
  const { detail, hint, step, errno, faults, resource } = known.fields;
  return {
    type: `urn:tele:problem:${known.code}`,
    title: titleOf(known.code),
    status: CODES[known.code],
    detail,
    ...(hint !== undefined && { hint }),
    ...(step !== undefined && { step }),
    ...(errno !== undefined && { errno }),
    ...(faults !== undefined && { faults }),
    ...(resource !== undefined && { instance: `/v1/${resource}` }),
  };
}

/** Whether the operator should hear of an error: nobody made a mistake but us, or the machine fails. */
export function isOurFault(error: unknown): boolean {
  return !(error instanceof TeleError) || error.code === "INTERNAL";
}

/** A refused request with all its faults. */
export function invalid(faults: readonly Fault[], hint = "GET /openapi.json tells what is allowed"): TeleError {
  const [first] = faults;
  const detail =
    faults.length === 1 && first ? `${first.pointer || "the body"}: ${first.detail}` : `${faults.length} faults`;
  return new TeleError("INVALID_ARGUMENT", { detail, hint, faults });
}

/** The faults that zod found. `pointer` makes the address of a path: a JSON pointer, or the name of a parameter. */
export function faultsOf(
  error: z.ZodError,
  schema: z.ZodType,
  pointer: (path: readonly PropertyKey[]) => string = jsonPointer,
): Fault[] {
  return error.issues.flatMap((issue) => {
    if (issue.code !== "unrecognized_keys") return [{ pointer: pointer(issue.path), detail: sentence(issue) }];
    return issue.keys.map((key) => {
      const meant = nearest(key, namesAt(schema, issue.path));
      const detail = meant === undefined ? "is unknown" : `is unknown; did you mean "${meant}"?`;
      return { pointer: pointer([...issue.path, key]), detail };
    });
  });
}

/** RFC 6901. */
export function jsonPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return "is required";
  if (issue.code === "invalid_key") return `the name ${issue.issues.map(sentence).join(", ")}`;
  if (issue.code === "invalid_union") {
    const inner = issue.errors.flat().filter((one) => one.path.length === 0);
    const expected = inner.map((one) => (one.code === "invalid_type" ? one.expected : undefined));
    if (expected.length > 0 && !expected.includes(undefined)) return `must be ${expected.join(" or ")}`;
  }
  if (issue.code === "invalid_value")
    return `must be ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
  return issue.message.replace(/^Invalid input: /, "").replace(/^expected (\w+), received/, "must be $1, not");
}

/** The field names that a schema knows at a path: for suggestions only. */
function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let node: unknown = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  for (const part of path) node = propertiesOf(node)[String(part)];
  return Object.keys(propertiesOf(node));
}

function propertiesOf(node: unknown): Record<string, unknown> {
  return (node as { properties?: Record<string, unknown> } | undefined)?.properties ?? {};
}

/** The candidate that `word` was most likely meant to be; undefined when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let distance = Math.min(3, Math.ceil(word.length / 2) + 1);
  for (const candidate of candidates) {
    const to = leven(word.toLowerCase(), candidate.toLowerCase());
    if (to < distance) [best, distance] = [candidate, to];
  }
  return best;
}
