/** The spec of a command with nothing but an environment: what most starts ask for, without loading what validates more. */
import type { JobSpec, JobSpecInput } from "#spec/schema.ts";

/** So much of a command and its environment is certainly short enough. */
const MOST_BYTES = 65_536;

/** What the schema would make of it; undefined where more is asked for, or it is not plain that it holds. */
export function plainSpec(asked: JobSpecInput): JobSpec | undefined {
  const { command, env = {}, clearEnv, ...rest } = asked;
  if (Object.values(rest).some((value) => value !== undefined) || !command[0]) return undefined;
  const names = Object.keys(env);
  if (names.some((name) => name === "" || name.includes("="))) return undefined;
  const words = [...command, ...names, ...Object.values(env)];
  if (words.some((word) => word.includes("\0"))) return undefined;
  // Three bytes of UTF-8 at most for each unit of JavaScript's.
  if (words.reduce((sum, word) => sum + 3 * word.length + 10, 0) > MOST_BYTES) return undefined;
  return {
    command: [...command],
    env: { ...env },
    ...(clearEnv !== undefined && { clearEnv }),
    workdir: "/",
    user: "0",
    hostname: "sandbox",
    labels: {},
    limits: {},
    ulimits: {},
    require: [],
    root: { type: "host" },
    mounts: [],
    security: {},
  };
}
