/** Signals as people write them. */
import { constants } from "node:os";

const byName = new Map<string, number>(Object.entries(constants.signals));

/** Every name, such as `SIGHUP`. */
export const SIGNAL_NAMES: readonly string[] = [...byName.keys()];

/** `SIGHUP` of `"SIGHUP"`, `"hup"`, `"1"` or `1`; undefined when it is no signal. */
export function signalName(signal: string | number): string | undefined {
  const text = String(signal).toUpperCase();
  if (/^\d+$/.test(text)) return SIGNAL_NAMES.find((name) => byName.get(name) === Number(text));
  const name = text.startsWith("SIG") ? text : `SIG${text}`;
  return byName.has(name) ? name : undefined;
}
