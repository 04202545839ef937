/** The list of certificates that are refused, as the listener asks it. */
import { readFileSync } from "node:fs";
import { TeleError } from "#errors";
import { parseRevoked, type RevokedList } from "#certs/revoked.ts";

/** Whether a certificate, by its SHA-256 fingerprint in small hex digits, is refused. */
export type IsRevoked = (fingerprint: string) => boolean;

/** Reads the list; nobody is revoked while there is no file. Throws FAILED_PRECONDITION when it cannot be read or parsed. */
export function loadRevocations(path: string): IsRevoked {
  const list = readList(path);
  return (fingerprint) => list.has(fingerprint);
}

function readList(path: string): RevokedList {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return new Map();
    throw new TeleError("FAILED_PRECONDITION", {
      detail: `the revocation list ${path} cannot be read: ${code}`,
      hint: "make it readable for the daemon",
    });
  }
  try {
    return parseRevoked(text, path);
  } catch (error) {
    throw new TeleError(
      "FAILED_PRECONDITION",
      { detail: (error as Error).message, hint: "repair that line: a list that is not understood protects nobody" },
      { cause: error },
    );
  }
}
