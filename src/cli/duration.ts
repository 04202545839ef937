import { parseDuration } from "#spec/quantity.ts";
import { usageError } from "./usage-error.ts";

/** A duration as the API takes it: `30s` as it is, a bare `30` as seconds (docker's habit). INVALID_ARGUMENT otherwise. */
export function durationValue(flag: string, text: string): string {
  const whole = /^\d+(\.\d+)?$/.test(text) ? `${text}s` : text;
  if (parseDuration(whole) !== undefined) return whole;
  throw usageError(`${flag} must be a duration, not ${JSON.stringify(text)}`, `write it as in: ${flag} 30s, or 1h30m`);
}

/** The same in milliseconds. */
export function durationMs(flag: string, text: string): number {
  return parseDuration(durationValue(flag, text)) ?? 0;
}
