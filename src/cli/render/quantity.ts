/** Sizes and times for people: three digits say enough. */

const STEPS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** `12.3 MiB` of a number of bytes. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let step = 0;
  while (value >= 1024 && step < STEPS.length - 1) {
    value /= 1024;
    step++;
  }
  return `${step === 0 || value >= 100 ? Math.round(value) : trim(value)} ${STEPS[step]}`;
}

/** One decimal, unless it is zero. */
function trim(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}

/** `850 µs`, `12 ms`, `3.2 s`, `4 min 5 s`, `2 h 3 min`, `5 d 1 h` of microseconds. */
export function humanMicros(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1e6) return `${trim(us / 1e3)} ms`;
  const seconds = us / 1e6;
  if (seconds < 60) return `${trim(Math.min(seconds, 59.9))} s`;
  const [big, small, units] =
    seconds < 3600
      ? [Math.floor(seconds / 60), Math.floor(seconds % 60), ["min", "s"]]
      : seconds < 86_400
        ? [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), ["h", "min"]]
        : [Math.floor(seconds / 86_400), Math.floor((seconds % 86_400) / 3600), ["d", "h"]];
  return small === 0 ? `${big} ${units[0]}` : `${big} ${units[0]} ${small} ${units[1]}`;
}

/** `12s`, `5m`, `3h`, `2d`: the age of something made at an RFC 3339 time, for tables. A clock ahead of ours gives `0s`. */
export function age(time: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
