/** Where state is kept when nobody says otherwise. */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

/** Where the state is of a daemon that root runs without saying otherwise. */
export const SYSTEM_STATE = "/var/lib/tele";

/**
 * Where the state directory is: `$TELE_STATE_DIR`, else `/var/lib/tele` for root, else `$XDG_STATE_HOME/tele` (by
 * default `~/.local/state/tele`; a relative XDG path is ignored, as the XDG Base Directory Specification says).
 */
export function stateDirectoryPath(environment: Readonly<Record<string, string | undefined>>, uid: number): string {
  const chosen = environment["TELE_STATE_DIR"];
  if (chosen) return resolve(chosen);
  if (uid === 0) return SYSTEM_STATE;
  const xdg = environment["XDG_STATE_HOME"];
  const base = xdg && isAbsolute(xdg) ? xdg : join(environment["HOME"] || homedir(), ".local", "state");
  return join(base, "tele");
}
