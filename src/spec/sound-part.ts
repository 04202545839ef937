/** What of a wrong JobSpec is right: so that whoever wrote it hears of all that is wrong, and not only of its form. */
import type { z } from "zod";
import { type JobSpec, JobSpecSchema } from "./schema.ts";

/** The spec without the fields that have a fault, as if they had been left out; undefined where nothing is left to examine. */
export function soundPart(input: unknown, { issues }: z.ZodError): JobSpec | undefined {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return undefined;
  const rest: Record<string, unknown> = { ...input };
  for (const issue of issues) {
    const [field, inner] = issue.code === "unrecognized_keys" ? [...issue.path, ...issue.keys] : issue.path;
    if (typeof field !== "string") return undefined;
    const value = rest[field];
    if (field === "command") rest["command"] = ["true"];
    else if (field === "security" && typeof inner === "string" && typeof value === "object" && value !== null) {
      const { [inner]: _wrong, ...others } = value as Record<string, unknown>;
      rest["security"] = others;
    } else delete rest[field];
    if (issue.code === "unrecognized_keys" && issue.path.length === 0) for (const key of issue.keys) delete rest[key];
  }
  const parsed = JobSpecSchema.safeParse(rest);
  return parsed.success ? parsed.data : undefined;
}
