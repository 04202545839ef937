/** Medians, ratios and the Markdown that shows them. */

/** The value below which this share (0…1) of the samples lies; the samples need no order. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new Error("no samples");
  const sorted = [...samples].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** The middle of the samples. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** The median of `samples[i] / base[i]`: what one costs in terms of the other, pair by pair, so that drift cancels. */
export function pairedRatio(samples: readonly number[], base: readonly number[]): number {
  return median(samples.map((sample, index) => sample / (base[index] ?? Number.NaN)));
}

/** Three significant digits, without an exponent: 0.0123, 1.23, 12.3, 1230. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 4));
}

/** Nanoseconds as milliseconds with their unit. */
export function ms(nanoseconds: number): string {
  return `${digits(nanoseconds / 1e6)} ms`;
}

/** A Markdown table; the first column is text, the others are aligned right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

/** One measured number next to the number to reach. */
export interface Goal {
  what: string;
  measured: string;
  goal: string;
  met: boolean;
}

/** The goals of a section as a table. */
export function goals(list: readonly Goal[]): string {
  return table(
    ["", "measured", "to reach", ""],
    list.map((goal) => [goal.what, goal.measured, goal.goal, goal.met ? "yes" : "**no**"]),
  );
}
