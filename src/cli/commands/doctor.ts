import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { X509Certificate } from "node:crypto";
import { configDir } from "#certs/context.ts";
import { pathsOf } from "#certs/files.ts";
import { examineHost, type Finding } from "#host/doctor.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit.ts";
import { print } from "../output.ts";

/** A server certificate with less than this left is worth a word. */
const RENEW_BEFORE_MS = 30 * 864e5;
const MARK = { ok: "ok", warning: "warning", failure: "FAILURE" } as const;

export default command({
  name: "doctor",
  description: "Say what this host offers and lacks",
  about:
    "Each lack with what it costs a job and the remedy. Changes nothing. Exits with 1 when something keeps jobs from starting.",
  args: {},
  examples: ["tele doctor", "tele doctor --json"],
  run: ({ globals }) => {
    const findings = [...examineHost(), certificates()];
    if (globals.json) print(`${JSON.stringify({ findings }, null, 2)}\n`);
    else print(findings.map(paragraph).join(""));
    return findings.some(({ level }) => level === "failure") ? EXIT.FAILED : EXIT.OK;
  },
});

function paragraph({ name, level, found, cost, remedy }: Finding): string {
  const lines = [`${name.padEnd(20)}${MARK[level].padEnd(10)}${found}`];
  if (cost !== undefined) lines.push(`${" ".repeat(30)}costs: ${cost}`);
  if (remedy !== undefined) lines.push(`${" ".repeat(30)}remedy: ${remedy}`);
  return `${lines.join("\n")}\n`;
}

function certificates(): Finding {
  const directory = configDir(process.env, process.getuid?.() ?? 0, homedir());
  const { server } = pathsOf(directory);
  const lacking = { name: "certificates", level: "warning", cost: "tele serve does not start" } as const;
  if (!statSync(server, { throwIfNoEntry: false }))
    return { ...lacking, found: `none in ${directory}`, remedy: "tele cert init" };
  try {
    const ends = Date.parse(new X509Certificate(readFileSync(server)).validTo);
    const found = `in ${directory}, the server's until ${new Date(ends).toISOString().slice(0, 10)}`;
    if (ends - Date.now() > RENEW_BEFORE_MS) return { name: "certificates", level: "ok", found };
    return {
      name: "certificates",
      level: "warning",
      found,
      cost: "clients refuse an expired server",
      remedy: "tele cert renew server",
    };
  } catch (error) {
    return {
      ...lacking,
      found: `${server} cannot be read: ${(error as Error).message}`,
      remedy: "tele cert renew server, or tele cert init --force",
    };
  }
}
