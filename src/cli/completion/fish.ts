import type { CommandModel, FlagModel, Values } from "./model.ts";

/** The script for fish. */
export function fishScript(model: readonly CommandModel[]): string {
  const lines = ["# fish completion of tele; load it with: tele completion fish | source", "", functions(model)];
  for (const { path, flags, subCommands, positional, trailing } of model) {
    const at = `__tele_at ${quote(path)}`;
    for (const { name, text } of subCommands) {
      lines.push(`complete -c tele -f -n ${quote(at)} -a ${quote(name)} -d ${quote(text)}`);
    }
    for (const flag of flags) lines.push(flagLine(at, flag));
    const values = valuesOf(positional);
    if (values) lines.push(`complete -c tele -n ${quote(at)} ${values}`);
    else if (path !== "" || subCommands.length > 0) lines.push(`complete -c tele -f -n ${quote(at)}`);
    if (trailing) lines.push(`complete -c tele -n ${quote(`__tele_trailing ${quote(path)}`)} -a '(__tele_command)'`);
  }
  return `${lines.join("\n")}\n`;
}

function flagLine(at: string, { names, text, takesValue, values }: FlagModel): string {
  const written = names
    .map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
    .join(" ");
  const value = takesValue ? ` -r ${valuesOf(values) ?? "-f"}` : "";
  return `complete -c tele -n ${quote(at)} ${written}${value} -d ${quote(text)}`;
}

function valuesOf(values: Values): string | undefined {
  if (values === undefined) return undefined;
  if (typeof values !== "string") return `-f -a ${quote(values.words.join(" "))}`;
  if (values === "file") return "-F";
  return `-f -a '(__tele_${values})'`;
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** Functions that find out where on the line we are; the flags with values are needed to pass over those. */
function functions(model: readonly CommandModel[]): string {
  const valued = new Set(
    model.flatMap(({ flags }) => flags.filter((flag) => flag.takesValue).flatMap(({ names }) => names)),
  );
  const paths = model.map(({ path }) => path).filter((path) => path !== "");
  return String.raw`function __tele_path
    set -l path
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip -eq 1
            set skip 0
        else if test "$word" = --
            echo "$path --"
            return
        else if string match -q -- '-*' $word
            contains -- $word ${[...valued].join(" ")}; and set skip 1
        else if contains -- (string trim -- "$path $word") ${paths.map(quote).join(" ")}
            set path (string trim -- "$path $word")
        end
    end
    echo "$path"
end
function __tele_at
    test (__tele_path) = "$argv[1]"
end
function __tele_trailing
    test (__tele_path) = "$argv[1] --"
end
function __tele_command
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    complete -C (string join ' ' -- (string escape -- $words[(math $at + 1)..-1]) (commandline -ct))
end
function __tele_job
    set -l words (commandline -opc)
    set -l names ($words[1] ps -q -a 2>/dev/null </dev/null)
    if string match -q 'jobs/*' -- (commandline -ct)
        printf '%s\n' $names
    else
        string replace jobs/ '' -- $names
    end
end
function __tele_directory
    __fish_complete_directories (commandline -ct)
end
function __tele_signal
    kill -l | string split -n ' ' | string replace -r '^SIG' ''
end
`;
}
