import { usageError } from "../usage-error.ts";

/**
 * Compiles a `--format` template as docker's users write it: `{{.name}}`, `{{.spec.limits.memory}}`, `{{json .labels}}`
 * and `{{json .}}`; `\t` and `\n` stand for themselves. INVALID_ARGUMENT for anything else between braces.
 */
export function compileTemplate(template: string): (value: unknown) => string {
  const parts = template.split(/\{\{(.*?)\}\}/s).map((part, index) => {
    if (index % 2 === 0) {
      const text = part.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
      return () => text;
    }
    const match = /^\s*(json\s+)?\.([\w.-]*)\s*$/.exec(part);
    if (!match)
      throw usageError(
        `--format cannot read {{${part}}}`,
        "write fields as {{.name}}, {{.spec.command}} or {{json .labels}}",
      );
    const path = (match[2] ?? "").split(".").filter((name) => name !== "");
    return (value: unknown) => shown(pick(value, path), match[1] !== undefined);
  });
  return (value) => parts.map((part) => part(value)).join("");
}

function pick(value: unknown, path: readonly string[]): unknown {
  let here = value;
  for (const name of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, name)) return undefined;
    here = (here as Record<string, unknown>)[name];
  }
  return here;
}

function shown(value: unknown, json: boolean): string {
  if (json) return JSON.stringify(value ?? null);
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
