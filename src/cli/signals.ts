import { constants } from "node:os";
import { nearest } from "./nearest.ts";
import { usageError } from "./usage-error.ts";

const NUMBERS = constants.signals as Record<string, number>;

/** The kernel's name of `KILL`, `SIGKILL`, `kill` or `9`. INVALID_ARGUMENT when there is no such signal. */
export async function signalName(word: string): Promise<string> {
  const names = Object.keys(NUMBERS);
  const upper = word.toUpperCase();
  const name = /^\d+$/.test(word)
    ? names.find((one) => NUMBERS[one] === Number(word))
    : names.find((one) => one === upper || one === `SIG${upper}`);
  if (name !== undefined) return name;
  const meant = await nearest(
    upper.replace(/^SIG/, ""),
    names.map((one) => one.slice(3)),
  );
  throw usageError(
    `${JSON.stringify(word)} is no signal`,
    meant ? `did you mean ${meant}?` : "write a name such as TERM, HUP or USR1, or a number",
  );
}
