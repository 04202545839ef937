/** Waiting for conditions. */
import { setTimeout as pause } from "node:timers/promises";

/** Longest wait for anything: only a broken machine needs it. */
export const PATIENCE_MS = 60_000;

/** Asks again and again until the answer is one; fails with what it waited for. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (let rest = 2; ; rest = Math.min(rest * 2, 50)) {
    const answer = await ask();
    if (answer !== undefined && answer !== false && answer !== null) return answer;
    if (performance.now() > deadline) throw new Error(`after ${patienceMs} ms still not: ${what}`);
    await pause(rest);
  }
}
