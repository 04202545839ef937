/** Bodies of requests that are no good spec, or hardly: random bytes, random JSON, and valid specs with something wrong. */
import fc, { type Arbitrary } from "fast-check";
import type { JobSpecInput } from "#spec/schema.ts";

/** JSON texts that are trouble wherever they stand. */
const junk: Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "{}",
    "[]",
    '""',
    "0",
    "-0",
    "-1",
    "0.5",
    "1e400",
    "-1e400",
    "1e308",
    "9007199254740993",
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u0000"',
    '"/\\u0000"',
    '"\\\\"',
    '"../../.."',
    '"/.."',
    '"__proto__"',

    '{"__proto__":{"profile":"host"}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"toString":1,"hasOwnProperty":0}',

    '{"length":99999999}',
    '{"type":"bind"}',
    '{"then":1}',
    "NaN",
    "undefined",
    "'x'",
    "[,]",
    '{"a":1,}',
    "\ufeff{}",
  ),
  fc.integer({ min: 1, max: 20_000 }).map((depth) => "[".repeat(depth) + "]".repeat(depth)),
  fc.integer({ min: 1, max: 20_000 }).map((depth) => '{"a":'.repeat(depth) + "1" + "}".repeat(depth)),
  fc.integer({ min: 1, max: 200_000 }).map((length) => JSON.stringify("x".repeat(length))),
  fc.integer({ min: 1, max: 3000 }).map((length) => JSON.stringify(Array.from({ length }, (_, index) => `/${index}`))),
  fc.json(),
);

type Container = Record<string, unknown> | unknown[];

/** Every place in a value. */
function places(value: unknown): { at: Container; key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  const at = value as Container;
  return Object.keys(at).flatMap((key) => [{ at, key }, ...places((at as Record<string, unknown>)[key])]);
}

interface Mutation {
  readonly where: number;
  readonly how: "delete" | "replace" | "rename" | "add" | "repeat";
  readonly junk: string;
}

const mutations: Arbitrary<Mutation[]> = fc.array(
  fc.record({
    where: fc.nat(1000),
    how: fc.constantFrom("delete", "replace", "replace", "rename", "add", "repeat"),
    junk,
  }),
  { minLength: 1, maxLength: 4 },
);

const KEYS = ["__proto__", "constructor", "toString", "", "command", "type", "env", "Mounts", "\u0000", "\ud800"];

/** Makes a spec wrong: texts of junk go in where it says, whether that is JSON or not. */
function mutate(spec: JobSpecInput, list: readonly Mutation[]): string {
  const value = structuredClone(spec) as unknown as Container;
  const texts: string[] = [];
  const put = (text: string): string => `@junk${texts.push(text) - 1}@`;
  for (const one of list) {
    const all = places(value);
    const { at, key } = all[one.where % Math.max(all.length, 1)] ?? { at: value, key: "command" };
    const record = at as Record<string, unknown>;
    const other = KEYS[one.where % KEYS.length] ?? "";
    const set = (name: string, what: unknown): unknown =>
      Array.isArray(at)
        ? at.push(what)
        : Object.defineProperty(at, name, { value: what, enumerable: true, writable: true, configurable: true });
    if (one.how === "replace") record[key] = put(one.junk);
    else if (one.how === "add") set(other, put(one.junk));
    else if (one.how === "rename") set(other, record[key]);
    else if (one.how === "repeat" && Array.isArray(at)) for (let n = 0; n < 70; n++) at.push(record[key]);
    if (one.how === "delete" || one.how === "rename") {
      if (Array.isArray(at)) at.splice(Number(key), 1);
      else Reflect.deleteProperty(at, key);
    }
  }
  const text = JSON.stringify(value).replaceAll(/"@junk(\d+)@"/g, (_, index: string) => texts[Number(index)] ?? "");
  // A name that is there twice: the later one counts (RFC 8259, 4).
  return list.some(({ how }) => how === "repeat") ? text.replace("{", '{"command":["/bin/false"],"env":{},') : text;
}

/** A mutated spec as text. */
export function mutated(spec: Arbitrary<JobSpecInput>): Arbitrary<string> {
  return fc.tuple(spec, mutations).map(([one, list]) => mutate(one, list));
}

/** Any body at all. */
export function bodies(spec: Arbitrary<JobSpecInput>): Arbitrary<Uint8Array> {
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
  const good = spec.map((one) => bytes(JSON.stringify(one)));
  const damaged = fc.tuple(
    good,
    fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 3 }),
    fc.nat(5000),
  );
  return fc.oneof(
    { weight: 6, arbitrary: mutated(spec).map(bytes) },
    { weight: 2, arbitrary: good },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 2000 }) },
    { weight: 2, arbitrary: fc.oneof(junk, fc.json()).map(bytes) },
    {
      weight: 2,
      arbitrary: damaged.map(([body, flips, end]) => {
        const copy = body.slice(0, end % 3 === 0 ? end : body.length);
        for (const [at, byte] of flips) if (copy.length > 0) copy[at % copy.length] = byte;
        return copy;
      }),
    },
  );
}
