/** Reads the counts that test runners print about themselves. */

/** How many tests passed and failed. */
export interface Counts {
  passed: number;
  failed: number;
}

/**
 * The counts of a JUnit report as `bun test --reporter=junit` writes it. A skipped or unwritten test counts as failed:
 * a need that is missing must be seen.
 */
export function countsOfJunit(xml: string): Counts {
  const head = /<testsuites\b[^>]*>/.exec(xml)?.[0];
  if (head === undefined) throw new Error("not a JUnit report: no <testsuites>");
  const number = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors") + number("skipped");
  return { passed: number("tests") - failed, failed };
}

/** The counts of the last `N passed, N failed` line of an output, or undefined when there is none. */
export function closingLine(output: string): Counts | undefined {
  const last = [...output.matchAll(/^(\d+) passed, (\d+) failed\s*$/gm)].at(-1);
  return last && { passed: Number(last[1]), failed: Number(last[2]) };
}
