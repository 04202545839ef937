/** The candidate most like `word`; undefined when none is near enough to be what was meant. */
export async function nearest(word: string, candidates: readonly string[]): Promise<string | undefined> {
  const { default: leven } = await import("leven");
  let best: string | undefined;
  let distance = word.length < 4 ? 2 : Math.max(3, Math.floor(word.length / 2));
  for (const candidate of candidates) {
    const to = candidate.startsWith(word) ? 0.5 : leven(word, candidate);
    if (to < distance) [best, distance] = [candidate, to];
  }
  return best;
}
