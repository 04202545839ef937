/** One word as every POSIX shell reads it back unchanged. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Words as one shell line. */
export function shellLine(words: readonly string[]): string {
  return words.map(shellQuote).join(" ");
}
