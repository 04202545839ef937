const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

/** Paints text, or leaves it as it is when colours are not wanted. */
export type Paint = (color: keyof typeof CODES, text: string) => string;

/** The painter for a descriptor that wants colours, or none. */
export function painter(wanted: boolean): Paint {
  if (!wanted) return (_color, text) => text;
  return (color, text) => `\x1b[${CODES[color][0]}m${text}\x1b[${CODES[color][1]}m`;
}
