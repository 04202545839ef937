import { shellQuote } from "../shell.ts";
import type { CommandModel, FlagModel, Values } from "./model.ts";

/** The script for bash: needs nothing of the bash-completion package. */
export function bashScript(model: readonly CommandModel[]): string {
  const table = (name: string, of: (command: CommandModel) => string): string =>
    caseFunction(
      name,
      model.map((one) => [one.path, of(one)]),
    );
  return [
    "# bash completion of tele; load it with: source <(tele completion bash)",
    table("_tele_subcommands", ({ subCommands }) => subCommands.map(({ name }) => name).join(" ")),
    table("_tele_flags", ({ flags }) => flags.flatMap(({ names }) => names).join(" ")),
    table("_tele_valued", ({ flags }) =>
      flags
        .filter((flag) => flag.takesValue)
        .flatMap(({ names }) => names)
        .join(" "),
    ),
    table("_tele_positional", ({ positional }) => kindOf(positional)),
    caseFunction(
      "_tele_value_of",
      model.flatMap(({ path, flags }) => flags.filter((flag) => flag.values).map((flag) => valueRow(path, flag))),
    ),
    BODY,
  ].join("\n");
}

function valueRow(path: string, flag: FlagModel): [string, string] {
  return [flag.names.map((name) => `${path}:${name}`).join("|"), kindOf(flag.values)];
}

/** A kind of ours as `@job`, or the words themselves. */
export function kindOf(values: Values): string {
  if (values === undefined) return "";
  return typeof values === "string" ? `@${values}` : values.words.join(" ");
}

function caseFunction(name: string, rows: readonly (readonly [string, string])[]): string {
  const lines = rows
    .filter(([, words]) => words !== "")
    .map(
      ([keys, words]) =>
        `    ${keys
          .split("|")
          .map((key) => (key === "" ? '""' : shellQuote(key)))
          .join("|")}) echo ${shellQuote(words)} ;;`,
    );
  return `${name}() {\n  case "$1" in\n${lines.join("\n")}\n  esac\n}`;
}

const BODY = String.raw`_tele_jobs() {
  local names
  names=$("$@" ps -q -a 2>/dev/null </dev/null)
  case $cur in
    jobs/*) echo "$names" ;;
    j|jo|job|jobs) echo "$names" "${"$"}{names//jobs\//}" ;;
    *) echo "${"$"}{names//jobs\//}" ;;
  esac
}

_tele_offer() {
  case $1 in
    @job) COMPREPLY=($(compgen -W "$(_tele_jobs "${"$"}{tele[@]}")" -- "$cur")) ;;
    @file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
    @directory) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")) ;;
    @signal) COMPREPLY=($(compgen -W "$(compgen -A signal | sed -n 's/^SIG\([A-Z0-9]*\)$/\1/p')" -- "${"$"}{cur^^}")) ;;
    *) COMPREPLY=($(compgen -W "$1" -- "$cur")) ;;
  esac
}

_tele() {
  local cur=${"$"}{COMP_WORDS[COMP_CWORD]} path="" flag="" word i IFS=$' \t\n'
  local -a tele=("${"$"}{COMP_WORDS[0]}")
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${"$"}{COMP_WORDS[i]}
    # bash parts --flag=value at the equals sign.
    if [[ $word == "=" && -n $flag ]]; then continue; fi
    if [[ -n $flag ]]; then
      # bash parts HOST:PORT at the colon, too.
      if [[ ${"$"}{COMP_WORDS[i + 1]} == ":" ]]; then word+=":${"$"}{COMP_WORDS[i + 2]}"; ((i += 2)); fi
      [[ $flag == --host || $flag == --context ]] && tele+=("$flag" "$word")
      flag=""
      continue
    fi
    case $word in
      --)
        if ((i + 1 == COMP_CWORD)); then COMPREPLY=($(compgen -c -- "$cur"))
        else compopt -o default 2>/dev/null; fi
        return ;;
      -*) [[ " $(_tele_valued "$path") " == *" $word "* ]] && flag=$word ;;
      *) [[ " $(_tele_subcommands "$path") " == *" $word "* ]] && path="${"$"}{path:+$path }$word" ;;
    esac
  done
  if [[ $cur == "=" && -n $flag ]]; then cur=""; fi
  if [[ -n $flag ]]; then _tele_offer "$(_tele_value_of "$path:$flag")"
  elif [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$(_tele_flags "$path")" -- "$cur"))
  elif [[ -n $(_tele_subcommands "$path") ]]; then COMPREPLY=($(compgen -W "$(_tele_subcommands "$path")" -- "$cur"))
  else _tele_offer "$(_tele_positional "$path")"; fi
}

complete -F _tele tele
`;
