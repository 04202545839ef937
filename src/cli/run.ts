/** From a command line to an exit status: finds the command, checks its words, runs it, says what went wrong. */
import { splitAtDashes, asksForHelp, findWord, parseCommand, type Split } from "./argv.ts";
import { type Flags, resolved, type TeleCommand } from "./command.ts";
import { EXIT } from "./exit.ts";
import type { Globals } from "./globals.ts";
import { note, print, ReaderGone } from "./output.ts";
import { COMMANDS } from "./tree.ts";

/** Runs one command line and resolves with the exit status; errors have been told on stderr by then. Never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    if (error instanceof ReaderGone) return EXIT.OK;
    const { renderError } = await import("./render/error.ts");
    const { exitOfError } = await import("./exit.ts");
    note(renderError(error));
    return exitOfError(error);
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const split = splitAtDashes(argv);
  const at = findWord(split.ours, {});
  const name = split.ours[at];
  if (name === undefined) return withoutCommand(split);
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) throw await unknownCommand("tele", name, Object.keys(COMMANDS));
  const before = split.ours.slice(0, at);
  await refuseUnknown(before);
  if (entry.local) {
    const command = await entry.load();
    const words = { ...split, ours: [...before, ...split.ours.slice(at + 1)] };
    if (!asksForHelp(words.ours, command.args as Flags)) return runLocal(`tele ${name}`, command, words);
  }
  // Nearly every command needs the other two: they load while it does.
  const [command] = await Promise.all([entry.load(), import("citty"), import("./client.ts")]);
  return runTree(`tele ${name}`, command, { ...split, ours: [...before, ...split.ours.slice(at + 1)] });
}

/** `tele`, `tele --help`, `tele --version --json`, or a mistake. */
async function withoutCommand(split: Split): Promise<number> {
  if (split.ours.some((word) => word === "--version" || word === "-V")) {
    print(`tele ${(await import("#version")).VERSION}\n`);
    return EXIT.OK;
  }
  await refuseUnknown(split.ours);
  const { usageError } = await import("./usage-error.ts");
  if (split.trailing) throw usageError("no command before `--`", "start a job with: tele start -- COMMAND");
  const { rootHelp } = await import("./help.ts");
  print(rootHelp());
  return EXIT.OK;
}

/** Flags before the command's name must be global ones. */
async function refuseUnknown(ours: readonly string[]): Promise<void> {
  await parseCommand("tele", {}, { ours });
}

async function unknownCommand(path: string, name: string, names: readonly string[]) {
  const { nearest } = await import("./nearest.ts");
  const { usageError } = await import("./usage-error.ts");
  const meant = await nearest(name, names);
  const hint = meant ? `did you mean: ${path} ${meant}` : `see the commands with: ${path} --help`;
  return usageError(`unknown command ${JSON.stringify(name)}`, hint);
}

/** Follows subcommands (`cert issue`) down to the one that runs. */
async function runTree(path: string, command: TeleCommand, split: Split): Promise<number> {
  const subCommands = await resolved<Record<string, unknown>>(command.subCommands);
  const flags = (await resolved<Flags>(command.args)) ?? {};
  if (subCommands) {
    const at = findWord(split.ours, flags);
    const name = split.ours[at];
    if (name !== undefined) {
      const sub = Object.hasOwn(subCommands, name) ? await resolved<TeleCommand>(subCommands[name]) : undefined;
      if (!sub) throw await unknownCommand(path, name, Object.keys(subCommands));
      return runTree(`${path} ${name}`, sub, { ...split, ours: split.ours.toSpliced(at, 1) });
    }
  }
  const help = asksForHelp(split.ours, flags);
  if (subCommands && !command.run && !help) await parseCommand(path, command, split);
  if (help || (subCommands && !command.run)) {
    const { commandHelp } = await import("./help.ts");
    print(await commandHelp(path, command));
    return EXIT.OK;
  }
  return runLeaf(path, command, split);
}

/** Without citty and the client, which such a command has no use for. */
async function runLocal(path: string, command: TeleCommand, split: Split): Promise<number> {
  const { values, trailing } = await parseCommand(path, command, split);
  const data = { flags: values, globals: values, trailing };
  const result: unknown = await command.run?.({ data } as never);
  return typeof result === "number" ? result : EXIT.OK;
}

async function runLeaf(path: string, command: TeleCommand, split: Split): Promise<number> {
  const { values, trailing, rawArgs } = await parseCommand(path, command, split);
  const [{ runCommand }, { lazyClient }] = await Promise.all([import("citty"), import("./client.ts")]);
  const globals = values as Globals;
  const data = { flags: values, globals, trailing, client: lazyClient(globals) };
  const { result } = await runCommand(command, { rawArgs: [...rawArgs], data });
  return typeof result === "number" ? result : EXIT.OK;
}
