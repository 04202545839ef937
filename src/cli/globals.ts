import type { Flags, Values } from "./command.ts";

/** Flags that every command takes, before its name or after it. */
export const GLOBAL_FLAGS = {
  host: { type: "string", valueHint: "HOST[:PORT]", description: "Server to talk to, instead of the context's" },
  context: { type: "string", valueHint: "NAME", description: "Context of config.json to use" },
  json: { type: "boolean", description: "Print JSON, as the API gives it" },
  format: { type: "string", valueHint: "TEMPLATE", description: "Print fields: '{{.name}} {{.state}}'" },
  curl: { type: "boolean", description: "Print the curl line that does it, and do nothing" },
  quiet: { type: "boolean", alias: "q", description: "Names only, and no notes" },
  help: { type: "boolean", alias: "h", description: "Show the help page" },
} as const satisfies Flags;

export type Globals = Values<typeof GLOBAL_FLAGS>;
