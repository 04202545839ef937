/** How our commands are described: citty's own records, with what it has no words for. */
import type { BooleanArgDef, CommandDef, EnumArgDef, PositionalArgDef, StringArgDef } from "citty";
import type { Client } from "./client.ts";
import type { Globals } from "./globals.ts";

/** What the shell offers for a value. */
export type Completes = "job" | "file" | "directory" | "signal";

interface Extra {
  /** May be given more than once; the value is then a list. */
  readonly repeat?: boolean;
  /**
   * Repeats, and takes one word or two, as in `--bind SRC DEST`: a word without a colon, then one that begins with a slash.
   * Each value is the list of its words.
   */
  readonly pair?: boolean;
  /** Title that it stands under in the help page, `Flags` by default. */
  readonly group?: string;
  readonly completes?: Completes;
}

/** One flag or positional argument: citty's definition and our extras. */
export type Flag = (BooleanArgDef | StringArgDef | EnumArgDef | PositionalArgDef) & Extra;
export type Flags = Readonly<Record<string, Flag>>;

type ValueOf<F extends Flag> = F extends { pair: true }
  ? readonly (readonly [string, string?])[]
  : F extends { repeat: true }
    ? readonly string[]
    : F extends { type: "boolean" }
      ? boolean
      : F extends { default: string } | { type: "positional"; required: true }
        ? string
        : string | undefined;

/** Values by the flag's name: a list where it repeats, `false` where a switch is absent. */
export type Values<A extends Flags = Flags> = { readonly [K in keyof A]: ValueOf<A[K]> };

/** One call of a command, its command line already checked. */
export interface Invocation<A extends Flags = Flags> {
  readonly flags: Values<A>;
  readonly globals: Globals;
  /** What stood after `--`, for commands that take a command there. */
  readonly trailing: readonly string[];
  /** The server of the context; nothing is read or opened before its first use. */
  readonly client: Client;
}

/** Words after `--`. */
export interface Trailing {
  readonly valueHint: string;
  readonly required: boolean;
}

/** A citty command with our extras, which the parser, the help and the completion read. */
// oxlint-disable-next-line no-explicit-any -- citty's own type for a command of whatever arguments
export type TeleCommand = CommandDef<any> & {
  readonly trailing?: Trailing;
  readonly examples?: readonly string[];
  /** Paragraphs of the help page below the one-line description. */
  readonly about?: string;
};

interface Definition<A extends Flags> {
  readonly name: string;
  readonly description: string;
  readonly about?: string;
  readonly args: A;
  readonly trailing?: Trailing;
  readonly examples?: readonly string[];
  /** Resolves with the exit status, 0 when with nothing. */
  readonly run: (invocation: Invocation<A>) => Promise<number | undefined> | number | undefined;
}

/** Makes a command whose `run` gets checked and typed values instead of citty's. */
export function command<const A extends Flags>(definition: Definition<A>): TeleCommand {
  const { name, description, run, args, ...extras } = definition;
  return {
    meta: { name, description },
    args,
    run: ({ data }) => run(data as Invocation<A>),
    ...extras,
  };
}

/** What a field of a citty command comes to: citty allows a value, a promise of it, or a function of either. */
export async function resolved<T>(value: unknown): Promise<T | undefined> {
  return (await (typeof value === "function" ? (value as () => unknown)() : value)) as T | undefined;
}
