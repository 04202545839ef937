// Prints the probes of every topic beside every runtime that is installed, as Markdown.
//
//   bun test/escape/table.ts [--verbose] [RUNTIME…]     --verbose: what each probe saw
import { table } from "#test/bench/table.ts";
import { buildProbes } from "./build.ts";
import { type Outcome, runProbes } from "./host.ts";
import { missing, NOTHING, OTHERS, TELE } from "./runtimes.ts";

const verbose = process.argv.includes("--verbose");
const wanted = process.argv.slice(2).filter((word) => word !== "--verbose");
const runtimes = [...TELE, ...OTHERS, NOTHING].filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const built = buildProbes();
const columns: { name: string; outcomes: Outcome[] }[] = [];
const absent: string[] = [];
try {
  for (const runtime of runtimes) {
    const why = missing(runtime);
    if (why !== undefined) absent.push(`${runtime.name}: not here: ${why}`);
    else columns.push({ name: runtime.name, outcomes: await runProbes(built, runtime, built.probes) });
  }
} finally {
  built.remove();
}
const topics = [...new Set(built.probes.map(({ topic }) => topic))];
const cell = (outcomes: readonly Outcome[]): string => {
  const count = (verdict: Outcome["verdict"]): number => outcomes.filter((one) => one.verdict === verdict).length;
  const broken = count("broken");
  return `${count("ok")} ok${count("LEAK") > 0 ? `, **${count("LEAK")}**` : ""}${broken > 0 ? `, ${broken} broken` : ""}`;
};
const rows = topics.map((topic) => [
  topic,
  ...columns.map(({ outcomes }) => cell(outcomes.filter((one) => one.topic === topic))),
]);
console.log(
  table(
    ["probes", ...columns.map(({ name }) => name)],
    [...rows, ["all", ...columns.map((one) => cell(one.outcomes))]],
  ),
);
console.log(
  "\nIn bold: what leaks. All see the host's tree read-only; bwrap has no limits, crun and runc run what their `spec` makes.\n",
);
for (const { name, outcomes } of columns) {
  const leaks = outcomes.filter(({ verdict }) => verdict === "LEAK").map((one) => `\`${one.name}\``);
  const text = name === NOTHING.name ? "most of them: the others find nothing of their kind here" : leaks.join(", ");
  console.log(`- ${name}: ${leaks.length === 0 ? "nothing" : text}`);
  for (const one of outcomes) if (one.verdict === "broken") console.log(`  - broken: ${one.name}: ${one.saw}`);
}
if (verbose)
  for (const { name, outcomes } of columns)
    console.log(`\n${name}\n${outcomes.map((one) => `  ${one.verdict} ${one.name}: ${one.saw}`).join("\n")}`);
for (const line of absent) console.log(`- ${line}`);
