/** The sentences for errors, made once: what is wrong, where, and what to do next. */
import type { ErrorFields, Fault } from "#errors";
import { hintForCode } from "#hints";
import { wantsColor } from "../output.ts";
import { painter } from "./color.ts";
import { flagOf } from "./pointers.ts";

interface Told {
  readonly code: string;
  readonly fields: ErrorFields;
}

/** Lines for stderr: `error: …`, one line per fault, and `hint: …` where there is a way out. */
export function renderError(error: unknown, color: boolean = wantsColor(2)): string {
  const paint = painter(color);
  const label = paint("red", "error:");
  if (!isTold(error)) return `${label} ${unexpected(error)}\n`;
  const { code, fields } = error;
  const lines = [...faultLines(fields, label)];
  const hint = fields.hint ?? hintForCode(code as Parameters<typeof hintForCode>[0]);
  if (hint) lines.push(`${paint("bold", "hint:")} ${oneLine(hint)}`);
  return `${lines.join("\n")}\n`;
}

/** Errors of ours, of the certificate tool and of the API have the same fields; the class does not matter. */
function isTold(error: unknown): error is Told {
  if (!(error instanceof Error) || !("fields" in error)) return false;
  return typeof (error.fields as { detail?: unknown } | null)?.detail === "string";
}

function faultLines(fields: ErrorFields, label: string): readonly string[] {
  const faults = fields.faults ?? [];
  const [first] = faults;
  if (first === undefined) return [`${label} ${oneLine(fields.detail)}${blamed(fields)}`];
  if (faults.length === 1) return [`${label} ${faultText(first)}`];
  return [`${label} ${faults.length} things are wrong:`, ...faults.map((fault) => `  ${faultText(fault)}`)];
}

function faultText({ pointer, detail }: Fault): string {
  const where = flagOf(pointer);
  return oneLine(where === "" ? detail : `${where} ${detail}`);
}

/** Step and errno, where the sentence does not name them already. */
function blamed({ detail, step, errno }: ErrorFields): string {
  if (step === undefined) return "";
  const missing = [step, errno].filter((part) => part !== undefined && !detail.includes(part));
  return missing.length === 0 ? "" : ` (${missing.join(": ")})`;
}

/** An error nobody foresaw: its own words, and where it happened when asked with `TELE_DEBUG`. */
function unexpected(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return process.env["TELE_DEBUG"]
    ? (error.stack ?? error.message)
    : `${error.message || error.name} (TELE_DEBUG=1 shows more)`;
}

/** What came from elsewhere must not move the cursor or start lines of its own. */
function oneLine(text: string): string {
  return escapeControls(text);
}

/** Control characters as escapes, so that a job's words cannot draw on the terminal. */
export function escapeControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, (char) => {
    if (char === "\n") return "\\n";
    if (char === "\t") return "\\t";
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
