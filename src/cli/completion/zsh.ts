import type { CommandModel, Values } from "./model.ts";

/** The script for zsh: works when sourced, and as a file `_tele` in `$fpath`. */
export function zshScript(model: readonly CommandModel[]): string {
  const lines = ["#compdef tele", "# zsh completion of tele; load it with: source <(tele completion zsh)", ""];
  lines.push("_tele_describe() {", "  case $1 in");
  for (const { path, subCommands, flags } of model) {
    lines.push(
      `    ${quote(`commands ${path}`)}) reply=(${subCommands.map(({ name, text }) => described(name, text)).join(" ")}) ;;`,
    );
    const each = flags.flatMap(({ names, text }) => names.map((name) => described(name, text)));
    lines.push(`    ${quote(`flags ${path}`)}) reply=(${each.join(" ")}) ;;`);
  }
  lines.push("    *) reply=() ;;", "  esac", "}", "");
  lines.push("_tele_values() {", "  case $1 in");
  for (const { path, positional, flags } of model) {
    for (const { names, takesValue, values } of flags) {
      if (!takesValue) continue;
      const keys = names.map((name) => quote(`${path}:${name}`)).join("|");
      lines.push(`    ${keys}) reply=(${replyOf(values)}) ;;`);
    }
    if (positional) lines.push(`    ${quote(`${path}:`)}) reply=(${replyOf(positional)}) ;;`);
  }
  lines.push("    *) reply=(); return 1 ;;", "  esac", "}", "", BODY);
  return lines.join("\n");
}

function replyOf(values: Values): string {
  if (values === undefined) return "";
  return typeof values === "string" ? `@${values}` : values.words.map(quote).join(" ");
}

function described(name: string, text: string): string {
  return quote(`${name.replaceAll(":", "\\:")}:${text}`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const BODY = String.raw`_tele_offer() {
  case $1 in
    @job)
      local -a names
      names=(${"$"}{(f)"$("${"$"}{tele[@]}" ps -q -a 2>/dev/null </dev/null)"})
      [[ $PREFIX == jobs/* ]] || names=(${"$"}{names#jobs/})
      compadd -a names ;;
    @file) _files ;;
    @directory) _files -/ ;;
    @signal) compadd -M 'm:{a-z}={A-Z}' -- ${"$"}{signals:#(ZERR|DEBUG|EXIT)} ;;
    *) compadd -- "$@" ;;
  esac
}

_tele() {
  local path_="" flag="" word i
  local -a reply tele
  tele=($words[1])
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if [[ -n $flag ]]; then
      [[ $flag == --host || $flag == --context ]] && tele+=($flag $word)
      flag=""
      continue
    fi
    case $word in
      --)
        shift $i words
        (( CURRENT -= i ))
        _normal
        return ;;
      -*=*) ;;
      -*) _tele_values "$path_:$word" && flag=$word ;;
      *)
        _tele_describe "commands $path_"
        (( ${"$"}{reply[(I)$word:*]} )) && path_="${"$"}{path_:+$path_ }$word" ;;
    esac
  done
  if [[ -z $flag && $PREFIX == --*=* ]]; then
    flag=${"$"}{PREFIX%%=*}
    compset -P '*='
  fi
  if [[ -n $flag ]]; then
    _tele_values "$path_:$flag" && (( $#reply )) && _tele_offer $reply
    return
  fi
  if [[ $PREFIX == -* ]]; then
    _tele_describe "flags $path_"
    _describe -t flags flag reply
    return
  fi
  _tele_describe "commands $path_"
  if (( $#reply )); then
    _describe -t commands command reply
    return
  fi
  _tele_values "$path_:" && _tele_offer $reply
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _tele "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _tele tele
fi
`;
