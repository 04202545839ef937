import { describe, expect, test } from "bun:test";
import { parseCommand, splitAtDashes } from "#cli/argv.ts";
import { command } from "#cli/command.ts";
import { TeleError } from "#errors";

const start = command({
  name: "start",
  description: "",
  args: {
    name: { type: "string", valueHint: "ID" },
    env: { type: "string", alias: "e", repeat: true },
    detach: { type: "boolean", alias: "d" },
    color: { type: "enum", options: ["red", "green"] },
    wait: { type: "boolean", default: true, negativeDescription: "Do not wait" },
  },
  trailing: { valueHint: "COMMAND", required: true },
  run: () => 0,
});

const rm = command({
  name: "rm",
  description: "",
  args: {
    job: { type: "positional", required: true, repeat: true, valueHint: "JOB" },
    force: { type: "boolean", alias: "f" },
  },
  run: () => 0,
});

const parse = (line: string, to = start, path = "tele start") =>
  parseCommand(path, to, splitAtDashes(line === "" ? [] : line.split(" ")));

async function refused(line: string, to = start, path = "tele start"): Promise<string> {
  const error = await parse(line, to, path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TeleError)) throw new Error(`accepted, or failed otherwise: ${String(error)}`);
  expect(error.code).toBe("INVALID_ARGUMENT");
  return `${error.fields.detail} | ${error.fields.hint ?? ""}`;
}

describe("words after --", () => {
  test("belong to the job, whatever they look like", async () => {
    const { trailing, values } = await parse("--name a -- ls --help --name b -- -e");
    expect(trailing).toEqual(["ls", "--help", "--name", "b", "--", "-e"]);
    expect(values["name"]).toBe("a");
  });

  test("are the missing -- of a command that was put without it", async () => {
    expect(await refused("echo hi")).toBe(
      "the job's command must come after `--` | put -- before the command: tele start -- echo hi",
    );
    expect(await refused("-e A=1 ls -la")).toContain("tele start -e A=1 -- ls -la");
  });

  test("must be there where a command is needed", async () => {
    expect(await refused("")).toContain("needs a command to run");
    expect(await refused("--name a --")).toContain("needs a command to run");
  });

  test("are arguments of a command that runs nothing", async () => {
    const { values } = await parse("-f a -- -b", rm, "tele rm");
    expect(values["job"]).toEqual(["a", "-b"]);
    expect(values["force"]).toBe(true);
  });
});

describe("flags", () => {
  test("that repeat make a list, the others keep the last value", async () => {
    const { values } = await parse("-e A=1 --env B=2 -eC=3 --env=D=4 --name x --name y -- true");
    expect(values["env"]).toEqual(["A=1", "B=2", "C=3", "D=4"]);
    expect(values["name"]).toBe("y");
  });

  test("that are absent are false, empty or undefined", async () => {
    const { values } = await parse("-- true");
    expect(values).toMatchObject({ env: [], detach: false, wait: true, json: false });
    expect(values["name"]).toBeUndefined();
  });

  test("of one letter can be written together, switches take true and false", async () => {
    expect((await parse("-de A=1 -- true")).values).toMatchObject({ detach: true, env: ["A=1"] });
    expect((await parse("--detach=false --json=true -- true")).values).toMatchObject({ detach: false, json: true });
    expect(await refused("--detach=3 -- true")).toContain("--detach is a switch and takes no value");
  });

  test("that default to on are switched off with --no-", async () => {
    expect((await parse("--no-wait -- true")).values["wait"]).toBe(false);
    expect(await refused("--no-detach -- true")).toContain("unknown flag --no-detach");
  });

  test("that are unknown are refused with the nearest known one", async () => {
    expect(await refused("--naem x -- true")).toBe("unknown flag --naem for `tele start` | did you mean --name?");
    expect(await refused("--no-wiat -- true")).toContain("did you mean --no-wait?");
    expect(await refused("-x -- true")).toBe(
      "unknown flag -x for `tele start` | see the flags with: tele start --help",
    );
    expect(await refused("--jobs a", rm, "tele rm")).toContain("unknown flag --jobs");
  });

  test("that need a value do not take the next flag for it, but negative numbers", async () => {
    expect(await refused("--name --detach -- true")).toBe("--name needs a value | write: --name ID");
    expect(await refused("--name -- true")).toContain("--name needs a value");
    expect((await parse("--name -1 -- true")).values["name"]).toBe("-1");
    expect((await parse("--name= -- true")).values["name"]).toBe("");
  });

  test("with a closed list of values take only those", async () => {
    expect((await parse("--color red -- true")).values["color"]).toBe("red");
    expect(await refused("--color blue -- true")).toBe('--color cannot be "blue" | use one of: red, green');
  });
});

describe("arguments", () => {
  test("that are missing are named", async () => {
    expect(await refused("-f", rm, "tele rm")).toBe("`tele rm` needs a JOB | see: tele rm --help");
  });

  test("that nobody asked for are refused", async () => {
    const plain = command({ name: "ps", description: "", args: {}, run: () => 0 });
    expect(await refused("x", plain, "tele ps")).toBe('`tele ps` does not take "x" | see: tele ps --help');
  });

  test("for citty's own parser come without our global flags", async () => {
    const { rawArgs } = await parse("--json --force a --host h", rm, "tele rm");
    expect(rawArgs).toEqual(["--force", "a"]);
  });
});
