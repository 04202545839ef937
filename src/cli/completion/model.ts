/** What a completion script has to know, taken from the command tree. */
import { aliases } from "../argv.ts";
import { type Completes, type Flag, type Flags, resolved, type TeleCommand } from "../command.ts";
import { GLOBAL_FLAGS } from "../globals.ts";
import { COMMANDS } from "../tree.ts";

/** A flag as it is written, with its dashes. */
export interface FlagModel {
  readonly names: readonly string[];
  readonly text: string;
  readonly takesValue: boolean;
  readonly values: Values;
}

/** What may stand there: a closed list, or a kind of thing that the shell or the server knows. */
export type Values = { readonly words: readonly string[] } | Completes | undefined;

export interface CommandModel {
  /** `start`, or `cert issue`. */
  readonly path: string;
  readonly text: string;
  readonly flags: readonly FlagModel[];
  readonly subCommands: readonly { readonly name: string; readonly text: string }[];
  readonly positional: Values;
  /** Takes a command after `--`. */
  readonly trailing: boolean;
}

/** Every command and subcommand; the root has the path "". */
export async function completionModel(): Promise<readonly CommandModel[]> {
  const names = Object.entries(COMMANDS).map(([name, { summary }]) => ({ name, text: summary }));
  const root: CommandModel = {
    path: "",
    text: "",
    flags: [
      ...flagModels(GLOBAL_FLAGS),
      { names: ["--version"], text: "Print the version", takesValue: false, values: undefined },
    ],
    subCommands: names,
    positional: undefined,
    trailing: false,
  };
  const below = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, { load }]) => modelsOf(name, await load())),
  );
  return [root, ...below.flat()];
}

async function modelsOf(path: string, command: TeleCommand): Promise<CommandModel[]> {
  const flags = (await resolved<Flags>(command.args)) ?? {};
  const subCommands = (await resolved<Record<string, unknown>>(command.subCommands)) ?? {};
  const loaded = await Promise.all(
    Object.entries(subCommands).map(async ([name, sub]) => [name, (await resolved<TeleCommand>(sub)) ?? {}] as const),
  );
  const described = loaded.map(async ([name, sub]) => {
    const meta = await resolved<{ description?: string }>(sub.meta);
    return { name, text: meta?.description ?? "" };
  });
  const own: CommandModel = {
    path,
    text: (await resolved<{ description?: string }>(command.meta))?.description ?? "",
    flags: flagModels({ ...GLOBAL_FLAGS, ...flags }),
    subCommands: await Promise.all(described),
    positional: path === "help" ? { words: [...Object.keys(COMMANDS), "exit-codes"] } : positionalValues(flags),
    trailing: command.trailing !== undefined,
  };
  const deeper = await Promise.all(loaded.map(async ([name, sub]) => modelsOf(`${path} ${name}`, sub)));
  return [own, ...deeper.flat()];
}

function flagModels(flags: Flags): FlagModel[] {
  return Object.entries(flags).flatMap(([name, flag]): FlagModel[] => {
    if (flag.type === "positional") return [];
    if (flag.type === "boolean" && flag.default === true) {
      return [{ names: [`--no-${name}`], text: flag.negativeDescription ?? "", takesValue: false, values: undefined }];
    }
    const short = aliases(flag).filter((alias) => alias.length === 1);
    const names = [...short.map((alias) => `-${alias}`), `--${name}`];
    return [{ names, text: flag.description ?? "", takesValue: flag.type !== "boolean", values: valuesOf(flag) }];
  });
}

function valuesOf(flag: Flag): Values {
  if (flag.type === "enum" && flag.options) return { words: flag.options };
  return flag.completes;
}

function positionalValues(flags: Flags): Values {
  const first = Object.values(flags).find((flag) => flag.type === "positional");
  if (first === undefined) return undefined;
  if (first.completes) return first.completes;
  const words = first.valueHint?.includes("|")
    ? first.valueHint.split("|").filter((word) => /^[a-z]+$/.test(word))
    : [];
  return words.length > 0 ? { words } : undefined;
}
