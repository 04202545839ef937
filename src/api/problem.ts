/** RFC 9457 problem documents: the one place where errors become what a client reads. */
import { z } from "zod";
import { CODES, TeleError, type Code, type Fault } from "#errors";
import { nearest } from "#spec/nearest.ts";

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

/** The faults that zod found; with `reportInput` of its parser it can say what was meant. `pointer` makes the address of a path: a JSON pointer, or the name of a parameter. */
export function faultsOf(
  error: z.ZodError,
  schema: z.ZodType,
  pointer: (path: readonly PropertyKey[]) => string = jsonPointer,
): Fault[] {
  return error.issues.flatMap(deepest).flatMap((issue) => {
    if (issue.code !== "unrecognized_keys") return [{ pointer: pointer(issue.path), detail: sentence(issue) }];
    return issue.keys.map((key) => {
      const meant = nearest(key, namesAt(schema, issue.path));
      const detail = meant === undefined ? "is unknown" : `is unknown; did you mean "${meant}"?`;
      return { pointer: pointer([...issue.path, key]), detail };
    });
  });
}

/** Of a value that no branch of a union takes, the faults in the one branch that is of its kind: those name the place. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const close = issue.errors.filter((branch) => branch.every(({ code, path }) => path.length > 0 || isInside(code)));
  const [only] = close;
  if (close.length !== 1 || only === undefined || only.length === 0) return [issue];
  return only.flatMap((inner) => deepest({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** Whether a fault says that the value is of the right kind and wrong within. */
function isInside(code: z.core.$ZodIssue["code"]): boolean {
  return code !== "invalid_type" && code !== "invalid_value" && code !== "invalid_union";
}

/** RFC 6901. */
export function jsonPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return "is required";
  if (issue.code === "invalid_key") return `the name ${issue.issues.map(sentence).join(", ")}`;
  if (issue.code === "invalid_union") {
    if (issue.discriminator !== undefined) return issue.message;
    const expected = issue.errors.flat().map(expectation);
    if (expected.length > 0 && !expected.includes(undefined)) return `must be ${expected.join(" or ")}`;
  }
  if (issue.code === "invalid_value") {
    const words = issue.values.filter((value) => typeof value === "string");
    const meant = typeof issue.input === "string" ? nearest(issue.input, words) : undefined;
    const list = issue.values.map((value) => JSON.stringify(value)).join(" or ");
    return meant === undefined
      ? `must be ${list}`
      : `cannot be ${JSON.stringify(issue.input)}; did you mean "${meant}"?`;
  }
  return issue.message.replace(/^Invalid input: /, "").replace(/^expected (\w+), received/, "must be $1, not");
}

/** What one branch of a union wants where it wants a value or a kind of value. */
function expectation(issue: z.core.$ZodIssue): string | undefined {
  if (issue.path.length > 0) return undefined;
  if (issue.code === "invalid_value") return issue.values.map((value) => JSON.stringify(value)).join(" or ");
  return issue.code === "invalid_type" ? issue.expected : undefined;
}

/** The field names that a schema knows at a path: for suggestions only. */
function namesAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let nodes = branchesOf(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
  for (const part of path) nodes = nodes.flatMap((node) => branchesOf(node.properties?.[String(part)] ?? node.items));
  return nodes.flatMap(({ properties = {}, propertyNames }) => [
    ...Object.keys(properties),
    ...(propertyNames?.enum ?? []),
  ]);
}

interface Node {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly propertyNames?: { readonly enum?: readonly string[] };
  readonly items?: unknown;
  readonly anyOf?: readonly unknown[];
  readonly oneOf?: readonly unknown[];
}

/** A schema, or those that it is a choice of. */
function branchesOf(schema: unknown): Node[] {
  if (typeof schema !== "object" || schema === null) return [];
  const node: Node = schema;
  const choice = node.anyOf ?? node.oneOf;
  return choice ? choice.flatMap(branchesOf) : [node];
}
