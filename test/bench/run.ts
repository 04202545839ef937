/**
 * The benchmarks, as Markdown on stdout.
 *
 *   npm run bench                     every section
 *   npm run bench -- launch memory    only these
 */
import { need } from "#test/support/needs.ts";
import { machine } from "./machine.ts";

const sections: Record<string, { title: string; measure: () => Promise<string> }> = {
  launch: { title: "Launch", measure: async () => (await import("./launch.ts")).launches() },
  hardening: { title: "Hardening", measure: async () => (await import("./hardening.ts")).hardening() },
  processes: { title: "Whole processes", measure: async () => (await import("./processes.ts")).processes() },
  http: { title: "HTTPS", measure: async () => (await import("./http.ts")).http() },
  output: { title: "Output", measure: async () => (await import("./output.ts")).output() },
  memory: { title: "Memory", measure: async () => (await import("./memory.ts")).memory() },
  cli: { title: "Command line", measure: async () => (await import("./cli.ts")).cli() },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in sections));
if (unknown.length > 0) {
  console.error(`bench: no section ${unknown.join(", ")}; there are ${Object.keys(sections).join(" ")}`);
  process.exit(2);
}

need("root", "gcc", "dist/tele");
console.log(machine());
let failed = 0;
for (const [name, { title, measure }] of Object.entries(sections)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  console.log(`\n### ${title}\n`);
  try {
    console.log(await measure());
  } catch (error) {
    failed++;
    console.log(`Not measured: ${error instanceof Error ? error.message : String(error)}`);
  }
}
process.exitCode = failed > 0 ? 1 : 0;
