import leven from "leven";

/** The candidate that `word` was most likely meant to be; undefined when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let distance = Math.min(3, Math.ceil(word.length / 2) + 1);
  for (const candidate of candidates) {
    const to = leven(word.toLowerCase(), candidate.toLowerCase());
    if (to < distance) [best, distance] = [candidate, to];
  }
  return best;
}
