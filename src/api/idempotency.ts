/** `Idempotency-Key`: the same request sent twice does its work once and gets the same answer. */
import { createHash } from "node:crypto";
import { CODES, TeleError } from "#errors";

/** What was answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Entry {
  readonly digest: string;
  readonly answer: Promise<Answer>;
  readonly expires: number;
  bytes: number;
}

const LIFETIME_MS = 24 * 3600 * 1000;
const MAX_ENTRIES = 10_000;
const MAX_BYTES = 16 * 2 ** 20;
/** Longest key; most clients send a UUID. */
const KEY = /^[\x21-\x7e]{1,255}$/;
/** From this status on an error tells of the moment, not of the request: the next try may succeed. */
const TRANSIENT_STATUS = 429;

export interface Idempotency {
  /** The first answer to this key of this owner, or that of `work`. FAILED_PRECONDITION when the request is not the same. */
  run(
    owner: string,
    key: string,
    request: string,
    work: () => Promise<Answer>,
  ): Promise<Answer & { replayed: boolean }>;
}

/** Remembers answers for 24 hours, at most 10,000 and 16 MiB of them, and not past this process. */
export function createIdempotency(clock: () => number = Date.now): Idempotency {
  // A Map keeps the order of insertion, which is the order of expiry.
  const entries = new Map<string, Entry>();
  let bytes = 0;

  function forget(id: string): void {
    bytes -= entries.get(id)?.bytes ?? 0;
    entries.delete(id);
  }

  function makeRoom(): void {
    const now = clock();
    for (const [id, entry] of entries) {
      if (entry.expires > now && entries.size <= MAX_ENTRIES && bytes <= MAX_BYTES) return;
      forget(id);
    }
  }

  return {
    async run(owner, key, request, work) {
      if (!KEY.test(key))
        throw new TeleError("INVALID_ARGUMENT", {
          detail: "Idempotency-Key must be 1 to 255 printable ASCII characters",
          hint: "send a UUID",
        });
      makeRoom();
      const id = JSON.stringify([owner, key]);
      const digest = createHash("sha256").update(request).digest("base64");
      const known = entries.get(id);
      if (known) {
        if (known.digest !== digest)
          throw new TeleError("FAILED_PRECONDITION", {
            detail: "this Idempotency-Key was used for another request",
            hint: "use a new key for a new request",
          });
        return { ...(await known.answer), replayed: true };
      }
      const entry: Entry = { digest, answer: work(), expires: clock() + LIFETIME_MS, bytes: 0 };
      entries.set(id, entry);
      try {
        const answer = await entry.answer;
        // It may have had to make room meanwhile.
        if (entries.get(id) === entry) bytes += entry.bytes = answer.body.length;
        return { ...answer, replayed: false };
      } catch (error) {
        if (entries.get(id) === entry) forget(id);
        throw error;
      }
    },
  };
}

/** Whether an error is an answer to keep. Others must reject the work, and are forgotten. */
export function isLasting(error: TeleError): boolean {
  return CODES[error.code] < TRANSIENT_STATUS;
}
