/** The audit log: one JSON line for each decision, allowed or denied. */
import type { Identity } from "./identity.ts";

/** One decision. `who` is missing where no certificate got far enough to name one. */
export interface AuditEntry {
  readonly who: Identity | undefined;
  readonly method: string;
  readonly resource: string;
  readonly decision: "allowed" | "denied";
  /** `OK`, or the problem code of the refusal. */
  readonly code: string;
  readonly remote: string;
}

export interface Audit {
  record(entry: AuditEntry): void;
  /** Writes what is still held back. */
  flush(): void;
}

export interface AuditOptions {
  /** Appends whole lines; several at once when there is much to do. Must not throw. */
  readonly write: (lines: string) => void;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** Lines wait at most this long, so that a busy server does not make one write for each request. */
const FLUSH_AFTER_MS = 50;
const FLUSH_AT_CHARACTERS = 64 * 1024;

/** Collects decisions and writes them in batches. */
export function createAudit({ write, clock = Date.now }: AuditOptions): Audit {
  let pending = "";
  let timer: NodeJS.Timeout | undefined;
  let second = { ms: -1, text: "" };
  const whoText = new WeakMap<Identity, string>();

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (pending === "") return;
    const lines = pending;
    pending = "";
    write(lines);
  }

  function time(): string {
    const ms = clock();
    if (ms !== second.ms) second = { ms, text: new Date(ms).toISOString() };
    return second.text;
  }

  /** Same for every request of a connection, so it is made once. */
  function describe(who: Identity | undefined): string {
    if (!who) return '"user":null,"roles":[],"fingerprint":null';
    let text = whoText.get(who);
    if (text === undefined) {
      const { user, roles, fingerprint } = who;
      text = JSON.stringify({ user, roles, fingerprint }).slice(1, -1);
      whoText.set(who, text);
    }
    return text;
  }

  return {
    flush,
    record({ who, method, resource, decision, code, remote }) {
      pending +=
        `{"time":"${time()}",${describe(who)},"method":${JSON.stringify(method)},` +
        `"resource":${JSON.stringify(resource)},"decision":"${decision}","code":"${code}","remote":"${remote}"}\n`;
      if (pending.length >= FLUSH_AT_CHARACTERS) flush();
      else timer ??= setTimeout(flush, FLUSH_AFTER_MS);
    },
  };
}
