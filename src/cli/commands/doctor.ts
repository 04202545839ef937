import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { X509Certificate } from "node:crypto";
import { configDir } from "#certs/context.ts";
import { pathsOf } from "#certs/files.ts";
import { examineHost } from "#host/doctor.ts";
import { appArmorProfileText } from "#host/doctor/apparmor.ts";
import { type Finding, lack, well } from "#host/doctor/finding.ts";
import { command } from "../command.ts";
import { EXIT } from "../exit.ts";
import { print, terminalWidth, wantsColor } from "../output.ts";
import { painter } from "../render/color.ts";
import { renderFindings } from "../render/findings.ts";

/** A server certificate with less than this left is worth a word. */
const RENEW_BEFORE_MS = 30 * 864e5;
/** Where there is no terminal to ask. */
const COLUMNS = 80;

export default command({
  name: "doctor",
  description: "Say what this host offers and lacks",
  about:
    "For the user that asks: run it with sudo to learn what tele serve can do. Each lack with what it costs a job and the " +
    "remedy. Changes nothing. Exits with 1 when something keeps jobs of this user from starting.",
  args: {
    "print-apparmor": {
      type: "boolean",
      description: "Print a profile for AppArmor that lets this binary use user namespaces, and do nothing",
    },
  },
  examples: ["tele doctor", "tele doctor --json", "tele doctor --print-apparmor | sudo tee /etc/apparmor.d/tele"],
  run: ({ flags, globals }) => {
    if (flags["print-apparmor"]) {
      print(appArmorProfileText(process.execPath));
      return EXIT.OK;
    }
    const findings = [...examineHost(), certificates(process.geteuid?.() ?? 0)];
    const starts = findings.every(({ level }) => level !== "failure");
    if (globals.json) print(`${JSON.stringify({ starts, findings }, null, 2)}\n`);
    else print(renderFindings(findings, terminalWidth() ?? COLUMNS, painter(wantsColor(1))));
    return starts ? EXIT.OK : EXIT.FAILED;
  },
});

function certificates(uid: number): Finding {
  const name = "certificates";
  const directory = configDir(process.env, uid, homedir());
  const { server } = pathsOf(directory);
  const cost = "tele serve does not start";
  if (!statSync(server, { throwIfNoEntry: false })) {
    // Only root serves, and tele run needs none.
    if (uid !== 0) return well("Certificates", name, `none in ${directory}; tele run needs none`);
    return lack("warning", "Certificates", name, { found: `none in ${directory}`, cost, remedy: "tele cert init" });
  }
  try {
    const ends = Date.parse(new X509Certificate(readFileSync(server)).validTo);
    const found = `in ${directory}, the server's until ${new Date(ends).toISOString().slice(0, 10)}`;
    if (ends - Date.now() > RENEW_BEFORE_MS) return well("Certificates", name, found);
    return lack("warning", "Certificates", name, {
      found,
      cost: "clients refuse an expired server",
      remedy: "tele cert renew server",
    });
  } catch (error) {
    return lack("warning", "Certificates", name, {
      found: `${server} cannot be read: ${(error as Error).message}`,
      cost,
      remedy: "tele cert renew server, or tele cert init --force",
    });
  }
}
