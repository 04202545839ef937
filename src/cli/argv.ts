/** Reads a command line: which command, and its flags held strictly against what the command says it takes. */
import { parseArgs } from "node:util";
import type { Flag, Flags, TeleCommand, Trailing } from "./command.ts";
import { GLOBAL_FLAGS } from "./globals.ts";
import { nearest } from "./nearest.ts";
import { shellLine } from "./shell.ts";
import { usageError } from "./usage-error.ts";

/** A command line split at the first `--`: ours before it, the job's after it. */
export interface Split {
  readonly ours: readonly string[];
  readonly trailing?: readonly string[];
}

/** What a command line asks for. */
export interface Parsed {
  readonly values: Readonly<Record<string, unknown>>;
  readonly trailing: readonly string[];
  /** The command's own words without our global flags, for commands that let citty parse. */
  readonly rawArgs: readonly string[];
}

/** Everything after the first `--` belongs to the job, whatever it looks like. */
export function splitAtDashes(argv: readonly string[]): Split {
  const at = argv.indexOf("--");
  return at === -1 ? { ours: argv } : { ours: argv.slice(0, at), trailing: argv.slice(at + 1) };
}

interface Token {
  readonly kind: "option" | "positional" | "option-terminator";
  readonly index: number;
  readonly name?: string;
  readonly rawName?: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function tokenize(words: readonly string[], flags: Flags): readonly Token[] {
  const options: Record<string, { type: "string" | "boolean"; short?: string; multiple: true }> = {};
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.type === "positional") continue;
    const short = aliases(flag).find((alias) => alias.length === 1);
    options[name] = {
      type: flag.type === "boolean" ? "boolean" : "string",
      multiple: true,
      ...(short ? { short } : {}),
    };
    for (const alias of aliases(flag)) {
      if (alias.length > 1) options[alias] = { type: flag.type === "boolean" ? "boolean" : "string", multiple: true };
    }
  }
  return parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

/** Other names of a flag; those of one letter are written behind one dash. */
export function aliases(flag: Flag): readonly string[] {
  const alias = "alias" in flag ? (flag.alias as string | readonly string[] | undefined) : undefined;
  return alias === undefined ? [] : typeof alias === "string" ? [alias] : alias;
}

/** True when `--help` or `-h` stands among our own words. */
export function asksForHelp(words: readonly string[], flags: Flags): boolean {
  return tokenize(words, { ...GLOBAL_FLAGS, ...flags }).some(
    (token) => token.name === "help" && token.kind === "option",
  );
}

/** Where the first word that is neither a flag nor its value stands; -1 when there is none. */
export function findWord(words: readonly string[], flags: Flags): number {
  return tokenize(words, { ...GLOBAL_FLAGS, ...flags }).find((token) => token.kind === "positional")?.index ?? -1;
}

/** Reads the words of one command (its name taken out). INVALID_ARGUMENT for anything it does not take. */
export async function parseCommand(path: string, command: TeleCommand, split: Split): Promise<Parsed> {
  const own = ((typeof command.args === "function" ? await command.args() : await command.args) ?? {}) as Flags;
  const flags: Flags = { ...GLOBAL_FLAGS, ...own };
  const positionals = Object.entries(own).filter(([, flag]) => flag.type === "positional");
  const trailingUse = command.trailing;
  const words = trailingUse ? split.ours : [...split.ours];
  const values: Record<string, unknown> = defaults(flags);
  const rest: string[] = [];
  const rawArgs: string[] = [];
  const tokens = tokenize(words, flags);
  for (const [at, token] of tokens.entries()) {
    if (isSecondWord(flags, tokens[at - 1], token)) continue;
    if (token.kind === "positional") {
      if (trailingUse && rest.length >= positionals.length && !split.trailing)
        throw missingDashes(path, words, token.index);
      rest.push(token.value ?? "");
      rawArgs.push(token.value ?? "");
    } else if (token.kind === "option") {
      const next = tokens[at + 1];
      const second = isSecondWord(flags, token, next) ? next?.value : undefined;
      const name = await setFlag(path, flags, token, values, second);
      if (name in own)
        rawArgs.push(...(token.value === undefined ? [token.rawName ?? ""] : [token.rawName ?? "", token.value]));
    }
  }
  if (!trailingUse && split.trailing) rest.push(...split.trailing);
  assignPositionals(path, positionals, rest, values);
  const trailing = trailingUse ? checkTrailing(path, trailingUse, split.trailing) : [];
  return { values, trailing, rawArgs: split.trailing ? [...rawArgs, "--", ...split.trailing] : rawArgs };
}

function defaults(flags: Flags): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.repeat || flag.pair) values[name] = [];
    else values[name] = flag.default ?? (flag.type === "boolean" ? false : undefined);
  }
  return values;
}

/** Whether a token is the second word of the flag before it: see `pair`. */
function isSecondWord(flags: Flags, before: Token | undefined, token: Token | undefined): boolean {
  if (before?.kind !== "option" || token?.kind !== "positional" || before.inlineValue !== false) return false;
  const name = fullName(flags, before.name ?? "");
  const isPair = name !== undefined && flags[name]?.pair === true;
  return isPair && !(before.value ?? ":").includes(":") && (token.value ?? "").startsWith("/");
}

/** Stores one flag's value, of one word or two, and returns the flag's full name. */
async function setFlag(
  path: string,
  flags: Flags,
  token: Token,
  values: Record<string, unknown>,
  second: string | undefined,
): Promise<string> {
  const { name: given = "", rawName = "", value } = token;
  const name = fullName(flags, given);
  const flag = name === undefined ? undefined : flags[name];
  if (name === undefined || flag === undefined) {
    const negated = given.startsWith("no-") ? fullName(flags, given.slice(3)) : undefined;
    if (negated !== undefined && flags[negated]?.default === true && value === undefined) {
      values[negated] = false;
      return negated;
    }
    throw await unknownFlag(path, flags, rawName);
  }
  if (flag.type === "boolean") {
    if (value !== undefined && value !== "true" && value !== "false") {
      throw usageError(`${rawName} is a switch and takes no value`, `write only: ${rawName}`);
    }
    values[name] = value !== "false";
    return name;
  }
  if (value === undefined || (!token.inlineValue && value.startsWith("--"))) {
    throw usageError(`${rawName} needs a value`, `write: ${rawName} ${valueHint(name, flag)}`);
  }
  if (flag.type === "enum" && flag.options && !flag.options.includes(value)) {
    const meant = await nearest(value, flag.options);
    const hint = `use one of: ${flag.options.join(", ")}`;
    throw usageError(`${rawName} cannot be ${JSON.stringify(value)}`, meant ? `did you mean ${meant}? ${hint}` : hint);
  }
  if (flag.pair) (values[name] as string[][]).push(second === undefined ? [value] : [value, second]);
  else if (flag.repeat) (values[name] as string[]).push(value);
  else values[name] = value;
  return name;
}

function fullName(flags: Flags, given: string): string | undefined {
  const direct = flags[given];
  if (direct && direct.type !== "positional") return given;
  return Object.entries(flags).find(([, flag]) => aliases(flag).includes(given))?.[0];
}

/** What stands for a flag's value in help and errors. */
export function valueHint(name: string, flag: Flag): string {
  if (flag.type === "enum" && flag.options && !flag.valueHint) return flag.options.join("|");
  return flag.valueHint ?? name.toUpperCase();
}

async function unknownFlag(path: string, flags: Flags, rawName: string) {
  const known = Object.entries(flags).flatMap(([name, flag]) => {
    if (flag.type === "positional") return [];
    return flag.type === "boolean" && flag.default === true ? [`--${name}`, `--no-${name}`] : [`--${name}`];
  });
  const meant = rawName.startsWith("--") ? await nearest(rawName, known) : undefined;
  return usageError(
    `unknown flag ${rawName} for \`${path}\``,
    meant ? `did you mean ${meant}?` : `see the flags with: ${path} --help`,
  );
}

function missingDashes(path: string, words: readonly string[], at: number) {
  const line = shellLine([...words.slice(0, at), "--", ...words.slice(at)]);
  return usageError("the job's command must come after `--`", `put -- before the command: ${path} ${line}`);
}

function checkTrailing(path: string, use: Trailing, trailing: readonly string[] | undefined): readonly string[] {
  if (use.required && (trailing === undefined || trailing.length === 0)) {
    throw usageError(`\`${path}\` needs a command to run`, `put it after --, as in: ${path} -- ${use.valueHint}`);
  }
  return trailing ?? [];
}

function assignPositionals(
  path: string,
  positionals: readonly (readonly [string, Flag])[],
  words: readonly string[],
  values: Record<string, unknown>,
): void {
  let used = 0;
  for (const [name, flag] of positionals) {
    const here = flag.repeat ? words.slice(used) : words.slice(used, used + 1);
    used += here.length;
    const needed = flag.type === "positional" && flag.required !== false && flag.default === undefined;
    if (here.length === 0 && needed) {
      throw usageError(`\`${path}\` needs ${article(valueHint(name, flag))}`, `see: ${path} --help`);
    }
    if (flag.repeat) values[name] = here;
    else if (here.length > 0) values[name] = here[0];
  }
  if (used < words.length) {
    throw usageError(`\`${path}\` does not take ${JSON.stringify(words[used])}`, `see: ${path} --help`);
  }
}

function article(word: string): string {
  return /^[AEIOU]/i.test(word) ? `an ${word}` : `a ${word}`;
}
