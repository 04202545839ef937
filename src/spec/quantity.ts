/** Sizes and durations as people write them. */

const SIZE = /^(\d+(?:\.\d+)?)\s*([KMGTP]i?)?B?$/i;
const SIZE_UNIT: Readonly<Record<string, number>> = {
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  p: 1e15,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
  pi: 2 ** 50,
};
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;
const DURATION_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

/** Bytes of `"512Mi"` (binary) or `"512M"` (decimal), as in Kubernetes; undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text.trim());
  if (!match) return undefined;
  const bytes = Math.round(Number(match[1]) * (SIZE_UNIT[(match[2] ?? "").toLowerCase()] ?? 1));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Milliseconds of `"30s"` or `"1h30m"`; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let milliseconds = 0;
  for (const [, amount, unit] of text.matchAll(DURATION_PART))
    milliseconds += Number(amount) * (DURATION_UNIT[unit ?? ""] ?? 0);
  return Number.isFinite(milliseconds) ? milliseconds : undefined;
}

/** The shortest exact binary form: 536870912 is `512Mi`. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [
    ["Pi", 2 ** 50],
    ["Ti", 2 ** 40],
    ["Gi", 2 ** 30],
    ["Mi", 2 ** 20],
    ["Ki", 2 ** 10],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}
