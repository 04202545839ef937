import { constants } from "node:os";
import { type Code, TeleError } from "#errors";
import type { EndRecord } from "#spec/job.ts";

/**
 * What `tele` exits with:
 *
 *     0       done
 *     1       the server, or this host, could not do it
 *     2       the command line, or the job it describes, is wrong
 *     3       no server was reached, or it does not know us, or we do not know it
 *     124     `run`: the time of --timeout was up
 *     125     `run`, `start`, `wait`: tele itself failed to run the job, or lost it
 *     126     `run`, `start`, `wait`: the job's program cannot be executed
 *     127     `run`, `start`, `wait`: the job's program was not found
 *     0..255  `run`, `wait` of one job: the job's own status
 *     128+n   `run`, `wait` of one job: it was ended by signal n
 */
export const EXIT = {
  OK: 0,
  FAILED: 1,
  USAGE: 2,
  CONNECTION: 3,
  TIMED_OUT: 124,
  TELE_FAILED: 125,
  NOT_EXECUTABLE: 126,
  NOT_FOUND: 127,
} as const;

/** The same table for `tele help exit-codes`. */
export const EXIT_HELP = `Exit codes of tele

  0       done
  1       the server, or this host, could not do it
  2       the command line, or the job it describes, is wrong
  3       no server was reached, or it does not know us, or we do not know it
  124     run: the time of --timeout was up, as timeout(1) says it
  125     run, start, wait: tele itself failed to run the job, or lost it
  126     run, start, wait: the job's program cannot be executed
  127     run, start, wait: the job's program was not found
  0..255  run, and wait of one job: the job's own status
  128+n   run, and wait of one job: it was ended by signal n
`;

const BY_CODE: Partial<Record<Code, number>> = {
  INVALID_ARGUMENT: EXIT.USAGE,
  UNAUTHENTICATED: EXIT.CONNECTION,
  UNAVAILABLE: EXIT.CONNECTION,
};

/** The status for an error that ended a command. */
export function exitOfError(error: unknown): number {
  const code = (error as { code?: Code } | undefined)?.code;
  if (error instanceof TeleError && code === "START_FAILED") return exitOfStart(error);
  return (code && BY_CODE[code]) ?? EXIT.FAILED;
}

/** As a shell says it: 127 for a program that is not there, 126 for one that cannot run, 125 when it never came so far. */
function exitOfStart({ fields: { step, errno } }: TeleError): number {
  if (!step?.startsWith("workload.")) return EXIT.TELE_FAILED;
  return errno === "ENOENT" || errno === "ENOTDIR" ? EXIT.NOT_FOUND : EXIT.NOT_EXECUTABLE;
}

/** The status with which a job ended, as a shell would say it. */
export function exitOfJob(end: EndRecord): number {
  if (end.exitCode !== undefined) return end.exitCode;
  const number = end.signal === undefined ? undefined : (constants.signals as Record<string, number>)[end.signal];
  return number === undefined ? EXIT.TELE_FAILED : 128 + number;
}
