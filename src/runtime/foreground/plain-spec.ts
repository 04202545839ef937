/** Specs as most command lines make them, without loading what validates all the others: that takes longer than a start. */
import type { Mount } from "#spec/mounts.ts";
import { parseDuration } from "#spec/quantity.ts";
import type { JobSpec, JobSpecInput } from "#spec/schema.ts";

/** So much of a command and its environment is certainly short enough. */
const MOST_BYTES = 65_536;
/** Short and plain paths, ids and durations; whatever else may be right is for the schema to say. */
const PATH = /^(?:\/[\w@%+=:,. -]{1,200}){1,15}$/;
const USER = /^\d{1,9}(?::\d{1,9})?$/;
const DURATION = /^\d{1,6}(?:\.\d{1,3})?(?:ms|s|m|h)$/;
const MOST_MOUNTS = 64;

/** What the schema would make of it; undefined where more is asked for, or it is not plain that it holds. */
export function plainSpec(asked: JobSpecInput): JobSpec | undefined {
  const { command, env = {}, clearEnv, workdir = "/", user = "0", timeout, mounts = [], ...rest } = asked;
  if (Object.values(rest).some((value) => value !== undefined) || !command[0]) return undefined;
  if ((workdir !== "/" && !PATH.test(workdir)) || !USER.test(user) || mounts.length > MOST_MOUNTS) return undefined;
  const milliseconds = timeout === undefined || !DURATION.test(timeout) ? undefined : parseDuration(timeout);
  if (timeout !== undefined && !(milliseconds !== undefined && milliseconds >= 1)) return undefined;
  const binds = mounts.map(plainBind).filter((mount) => mount !== undefined);
  if (binds.length < mounts.length || !isShort(command, env)) return undefined;
  return {
    command: [...command],
    env: { ...env },
    ...(clearEnv !== undefined && { clearEnv }),
    workdir,
    user,
    hostname: "sandbox",
    labels: {},
    ...(milliseconds !== undefined && { timeout: milliseconds }),
    limits: {},
    ulimits: {},
    require: [],
    root: { type: "host" },
    mounts: binds,
    security: {},
  };
}

function plainBind(mount: NonNullable<JobSpecInput["mounts"]>[number]): Mount | undefined {
  if (mount.type !== "bind" || !PATH.test(mount.source) || !PATH.test(mount.target)) return undefined;
  if (mount.target.split("/").includes("..")) return undefined;
  return { type: "bind", source: mount.source, target: mount.target, readOnly: mount.readOnly ?? false };
}

function isShort(command: readonly string[], env: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(env);
  if (names.some((name) => name === "" || name.includes("="))) return false;
  const words = [...command, ...names, ...Object.values(env)];
  // Three bytes of UTF-8 at most for each unit of JavaScript's.
  return (
    words.every((word) => !word.includes("\0")) &&
    words.reduce((sum, word) => sum + 3 * word.length + 10, 0) <= MOST_BYTES
  );
}
