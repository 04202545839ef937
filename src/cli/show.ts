/** The three faces of an answer: JSON, a template, or text for people. */
import type { Globals } from "./globals.ts";
import { print } from "./output.ts";

/** Prints one answer the way the caller asked for. */
export async function show<T>(
  globals: Globals,
  value: T,
  human: (value: T) => string | Promise<string>,
): Promise<void> {
  if (globals.json) print(`${JSON.stringify(value, null, 2)}\n`);
  else if (globals.format !== undefined) {
    const { compileTemplate } = await import("./render/template.ts");
    print(`${compileTemplate(globals.format)(value)}\n`);
  } else print(await human(value));
}
