/** How long a property is tried: a bound in time for finding and for shrinking, and variables of the environment to go on with. */
import fc, { type Parameters, type Plugin } from "fast-check";

/** No run may take longer: it hangs. */
export const RUN_MS = 20_000;

/**
 * `FC_RUNS` tries more often and without a bound in time; `FC_SEED` (and `FC_PATH`), which a failure prints, tries the
 * same again.
 */
export function settings<T>(runs: number, seconds: number): Parameters<T> {
  const { FC_RUNS: asked, FC_SEED: seed, FC_PATH: path } = process.env;
  return {
    numRuns: asked === undefined ? runs : Number(asked),
    ...(asked === undefined && { plugins: [fc.interruptAfterTimeLimit(seconds * 1000) as Plugin<T>] }),
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path }),
  };
}

/** For a test around a property that is tried for so many seconds. */
export function testMs(seconds: number): number {
  return process.env["FC_RUNS"] === undefined ? seconds * 1000 + 3 * RUN_MS : 3_600_000;
}
