/** Help pages, 80 columns wide, made of the same definitions that the parser obeys. */
import { aliases, valueHint } from "./argv.ts";
import { type Flag, type Flags, resolved, type TeleCommand } from "./command.ts";
import { GLOBAL_FLAGS } from "./globals.ts";
import { COMMANDS, GROUPS } from "./tree.ts";

const WIDTH = 80;
const GLOBAL_LINE = `Global flags: ${Object.keys(GLOBAL_FLAGS)
  .filter((name) => name !== "help")
  .map((name) => `--${name}`)
  .join(", ")} (tele help)`;

/** The page of `tele --help`. */
export function rootHelp(): string {
  const names = Object.keys(COMMANDS).map((name) => name.length);
  const width = Math.max(...names);
  const groups = GROUPS.map(({ title, commands }) => {
    const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
    return `${title}:\n${lines.join("\n")}\n`;
  });
  return [
    "tele runs other people's programs safely on Linux hosts\n",
    "Usage: tele [FLAGS] COMMAND [FLAGS] [ARG...]\n",
    ...groups,
    `Flags of every command:\n${flagLines(GLOBAL_FLAGS)}\n`,
    "See `tele COMMAND --help` for one command, `tele help exit-codes` for exit codes.\n",
  ].join("\n");
}

/** The page of `tele COMMAND --help`; `path` is how the command is called. */
export async function commandHelp(path: string, command: TeleCommand): Promise<string> {
  const meta = await resolved<{ description?: string }>(command.meta);
  const flags = (await resolved<Flags>(command.args)) ?? {};
  const subCommands = await resolved<Record<string, unknown>>(command.subCommands);
  const parts = [`${meta?.description ?? path}\n`, `Usage: ${usage(path, command, flags, subCommands)}\n`];
  if (command.about) parts.push(`${wrap(command.about, "")}\n`);
  if (subCommands) parts.push(`Commands:\n${await subCommandLines(subCommands)}\n`);
  if (Object.values(flags).some((flag) => flag.type === "positional" && flag.description)) {
    parts.push(`Arguments:\n${positionalLines(flags)}\n`);
  }
  for (const [title, group] of groupsOf(flags)) parts.push(`${title}:\n${flagLines(group)}\n`);
  if (command.examples?.length) parts.push(`Examples:\n${command.examples.map((line) => `  ${line}`).join("\n")}\n`);
  parts.push(`${wrap(GLOBAL_LINE, "")}\n`);
  return parts.join("\n");
}

function usage(path: string, command: TeleCommand, flags: Flags, subCommands: object | undefined): string {
  const words = [path];
  if (subCommands) words.push("COMMAND");
  if (Object.values(flags).some((flag) => flag.type !== "positional")) words.push("[FLAGS]");
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.type !== "positional") continue;
    const word = `${valueHint(name, flag)}${flag.repeat ? "..." : ""}`;
    words.push(flag.required === false || flag.default !== undefined ? `[${word}]` : word);
  }
  if (command.trailing)
    words.push(command.trailing.required ? `-- ${command.trailing.valueHint}` : `[-- ${command.trailing.valueHint}]`);
  return words.join(" ");
}

async function subCommandLines(subCommands: Record<string, unknown>): Promise<string> {
  const rows: [string, string][] = [];
  for (const [name, sub] of Object.entries(subCommands)) {
    const loaded = await resolved<TeleCommand>(sub);
    const meta = await resolved<{ description?: string; hidden?: boolean }>(loaded?.meta);
    if (!meta?.hidden) rows.push([`  ${name}`, meta?.description ?? ""]);
  }
  return columns(rows);
}

function positionalLines(flags: Flags): string {
  return columns(
    Object.entries(flags).flatMap(([name, flag]): [string, string][] =>
      flag.type === "positional" ? [[`  ${valueHint(name, flag)}`, flag.description ?? ""]] : [],
    ),
  );
}

/** The flags under each title, in the order in which the titles come first. */
function groupsOf(flags: Flags): Map<string, Flags> {
  const groups = new Map<string, Flags>();
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.type === "positional") continue;
    const title = flag.group ?? "Flags";
    groups.set(title, { ...groups.get(title), [name]: flag });
  }
  return groups;
}

function flagLines(flags: Flags): string {
  return columns(
    Object.entries(flags).flatMap(([name, flag]): [string, string][] =>
      flag.type === "positional" ? [] : [[flagLabel(name, flag), flagText(flag)]],
    ),
  );
}

function flagLabel(name: string, flag: Flag): string {
  const short = aliases(flag).find((one) => one.length === 1);
  if (flag.type === "boolean" && flag.default === true) return `      --no-${name}`;
  const long = `--${name}`;
  const value = flag.type === "boolean" ? "" : ` ${valueHint(name, flag)}`;
  return `  ${short ? `-${short}, ` : "    "}${long}${value}`;
}

function flagText(flag: Flag): string {
  const negative = flag.type === "boolean" && flag.default === true ? flag.negativeDescription : undefined;
  const text = negative ?? flag.description ?? "";
  const shown = typeof flag.default === "string" && flag.default !== "" ? ` (default ${flag.default})` : "";
  return `${text}${shown}${flag.repeat || flag.pair ? " (repeatable)" : ""}`;
}

/** Two columns; the second wraps, and begins on its own line where the first is too long. */
function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(30, Math.max(...rows.map(([left]) => left.length)) + 2);
  const indent = " ".repeat(width);
  return rows
    .map(([left, right]) => {
      const text = wrap(right, indent);
      return left.length + 2 > width ? `${left}\n${text}` : `${left}${text.slice(left.length)}`;
    })
    .join("\n");
}

/** Breaks at spaces, each line behind `indent`. */
function wrap(text: string, indent: string): string {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = indent;
    for (const word of paragraph.split(" ")) {
      if (line !== indent && line.length + 1 + word.length > WIDTH) {
        lines.push(line);
        line = indent;
      }
      line += line === indent ? word : ` ${word}`;
    }
    lines.push(line);
  }
  return lines.join("\n");
}
