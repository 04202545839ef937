/** The page of `tele doctor`: groups, aligned, each lack with its cost and its remedy below it. */
import { type Finding, GROUPS } from "#host/doctor/finding.ts";
import type { Paint } from "./color.ts";
import { escapeControls } from "./error.ts";

const MARK = { ok: "ok", warning: "warning", failure: "FAILURE" } as const;
const COLOR = { ok: "green", warning: "yellow", failure: "red" } as const;
const MARK_WIDTH = 9;
/** Columns before what is said of a cost or a remedy. */
const DETAIL = 2 + MARK_WIDTH + "remedy".length + 2;
/** Lines are not longer than this even where the terminal is. */
const LONGEST = 100;

/** The page for a terminal of so many columns. */
export function renderFindings(findings: readonly Finding[], columns: number, paint: Paint): string {
  const width = Math.min(columns, LONGEST);
  const names = Math.max(...findings.map(({ name }) => name.length)) + 2;
  const groups = GROUPS.map((group) => [group, findings.filter((finding) => finding.group === group)] as const);
  return groups
    .filter(([, members]) => members.length > 0)
    .map(([group, members]) => {
      const lines = members.flatMap((finding) => linesOf(finding, names, width, paint));
      return `${paint("bold", group)}\n${lines.join("\n")}\n\n`;
    })
    .concat(`${verdict(findings, paint)}\n`)
    .join("");
}

function linesOf({ level, name, found, cost, remedy }: Finding, names: number, width: number, paint: Paint): string[] {
  const before = 2 + MARK_WIDTH + names;
  const mark = paint(COLOR[level], MARK[level]) + " ".repeat(MARK_WIDTH - MARK[level].length);
  const [first = "", ...more] = wrap(found, width - before);
  return [
    `  ${mark}${name.padEnd(names)}${first}`,
    ...more.map((line) => " ".repeat(before) + line),
    ...detail("costs", cost, width, (text) => text),
    ...detail("remedy", remedy, width, (text) => paint("bold", text)),
  ];
}

function detail(label: string, text: string | undefined, width: number, emphasis: (text: string) => string): string[] {
  if (text === undefined) return [];
  return wrap(text, width - DETAIL).map((line, index) => {
    const head = index === 0 ? `${" ".repeat(2 + MARK_WIDTH)}${label}` : "";
    return head.padEnd(DETAIL) + emphasis(line);
  });
}

/**
 * Lines of at most `width` columns. What is too long ends lines after `&&` and `|` first, where a shell goes on reading, so
 * that a command can be copied from the page; a word that is longer than a line stays whole.
 */
export function wrap(text: string, width: number): string[] {
  const safe = escapeControls(text);
  if (safe.length <= width) return [safe];
  return safe.split(/(?<= (?:&&|\|)) /).flatMap((piece) => {
    const lines: string[] = [];
    for (const word of piece.split(" ")) {
      const last = lines.at(-1);
      if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
      else lines.push(word);
    }
    return lines;
  });
}

function verdict(findings: readonly Finding[], paint: Paint): string {
  const count = (level: Finding["level"]): number => findings.filter((finding) => finding.level === level).length;
  const [failures, warnings] = [count("failure"), count("warning")];
  const things = warnings === 1 ? "1 thing" : `${warnings} things`;
  const lacks = warnings === 0 ? "nothing is missing" : `${things} could be better`;
  if (failures > 0) {
    const plural = failures === 1 ? "1 FAILURE keeps" : `${failures} FAILURES keep`;
    return paint("red", `${plural} jobs of this user from starting; ${lacks}.`);
  }
  return paint("green", `Jobs of this user start here; ${lacks}.`);
}
