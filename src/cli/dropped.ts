/** Connections that break in the middle of an answer. */
import { TeleError } from "#errors";

/** What node:http throws in the middle of a body, under whichever runtime. */
export function isDrop(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return (
    !(error instanceof TeleError) && /^(ECONNRESET|EPIPE|ETIMEDOUT|ERR_STREAM_PREMATURE_CLOSE|UND_ERR_\w+)$/.test(code)
  );
}

/** The same in our words; `hint` says what is to be done about what was missed. */
export function droppedError(hint: string, cause?: unknown): TeleError {
  return new TeleError(
    "UNAVAILABLE",
    { detail: "the connection to the server broke while it was sending", hint },
    { cause },
  );
}
