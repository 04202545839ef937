/** The ids of an ordinary user's tether. */
import type { IdMaps } from "#spec/facts.ts";

/** It is root of a user namespace with one id: our own. */
export function ownIds(): IdMaps {
  return {
    uids: [{ inside: 0, outside: process.geteuid?.() ?? 0, count: 1 }],
    gids: [{ inside: 0, outside: process.getegid?.() ?? 0, count: 1 }],
  };
}
