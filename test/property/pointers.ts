/** JSON pointers (RFC 6901) held against the JobSpec's schema. */
import { z } from "zod";
import { JobSpecSchema } from "#spec/schema.ts";

interface Node {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly additionalProperties?: unknown;
  readonly items?: unknown;
  readonly anyOf?: readonly unknown[];
  readonly oneOf?: readonly unknown[];
}

const schema: unknown = z.toJSONSchema(JobSpecSchema, { io: "input", unrepresentable: "any" });

/** A schema, or those that it is a choice of. */
function branches(node: unknown): Node[] {
  if (typeof node !== "object" || node === null) return [];
  const { anyOf, oneOf } = node as Node;
  return [node, ...[...(anyOf ?? []), ...(oneOf ?? [])].flatMap(branches)];
}

function parts(pointer: string): string[] {
  if (pointer === "") return [];
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** Whether a pointer names a place that a JobSpec can have. */
export function isInSchema(pointer: string): boolean {
  if (pointer !== "" && !pointer.startsWith("/")) return false;
  let nodes = branches(schema);
  for (const part of parts(pointer))
    nodes = nodes.flatMap((node) =>
      branches(node.properties?.[part] ?? (/^\d+$/.test(part) ? node.items : undefined) ?? node.additionalProperties),
    );
  return nodes.length > 0;
}

/** What a value has at a pointer. */
export function valueAt(value: unknown, pointer: string): unknown {
  return parts(pointer).reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], value);
}
