import { command, resolved, type TeleCommand } from "../command.ts";
import { EXIT_HELP } from "../exit.ts";
import { nearest } from "../nearest.ts";
import { print } from "../output.ts";
import { usageError } from "../usage-error.ts";

export default command({
  name: "help",
  description: "Show the help page of a command",
  args: {
    command: {
      type: "positional",
      required: false,
      repeat: true,
      valueHint: "COMMAND",
      description: "Such as start, or exit-codes",
    },
  },
  examples: ["tele help start", "tele help exit-codes"],
  run: async ({ flags }) => {
    const [{ COMMANDS }, { commandHelp, rootHelp }] = await Promise.all([import("../tree.ts"), import("../help.ts")]);
    const [name, ...deeper] = flags.command;
    if (name === undefined) print(rootHelp());
    else if (name === "exit-codes") print(EXIT_HELP);
    else {
      const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
      if (!entry) throw await unknown(name, [...Object.keys(COMMANDS), "exit-codes"]);
      let [path, found]: [string, TeleCommand] = [`tele ${name}`, await entry.load()];
      for (const word of deeper) {
        const subCommands = (await resolved<Record<string, unknown>>(found.subCommands)) ?? {};
        const sub = Object.hasOwn(subCommands, word) ? await resolved<TeleCommand>(subCommands[word]) : undefined;
        if (!sub) throw await unknown(word, Object.keys(subCommands));
        [path, found] = [`${path} ${word}`, sub];
      }
      print(await commandHelp(path, found));
    }
    return 0;
  },
});

async function unknown(name: string, names: readonly string[]) {
  const meant = await nearest(name, names);
  return usageError(
    `there is no help for ${JSON.stringify(name)}`,
    meant ? `did you mean: tele help ${meant}` : "see: tele help",
  );
}
