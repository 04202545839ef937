import { TeleError } from "#errors";

/** A fault of the command line, found before anything was done. */
export function usageError(detail: string, hint?: string): TeleError {
  return new TeleError("INVALID_ARGUMENT", hint === undefined ? { detail } : { detail, hint });
}
