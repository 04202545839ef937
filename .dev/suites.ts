// Runs every suite and adds up the runners' own counts; the last line of the output is `N passed, N failed`.
//
//   bun .dev/suites.ts [SUITE…]     all of them without arguments
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Counts, closingLine, countsOfJunit } from "#test/support/reporter.ts";

const root = resolve(import.meta.dirname, "..");
const known = ["unit", "golden", "abi", "integration", "e2e", "escape", "sweep", "property", "rootless", "vm"];
const wanted = process.argv.length > 2 ? process.argv.slice(2) : known;
const reports = mkdtempSync(join(tmpdir(), "tele-reports-"));

const total: Counts = { passed: 0, failed: 0 };
const bad: string[] = [];
try {
  for (const suite of wanted) {
    console.log(`── ${suite}`);
    const own = join(root, "test", suite, "run");
    const counts = existsSync(own) ? await ownRunner(suite, own) : await bunSuite(suite);
    console.log(`   ${suite}: ${counts.passed} passed, ${counts.failed} failed`);
    if (counts.failed > 0) bad.push(suite);
    total.passed += counts.passed;
    total.failed += counts.failed;
  }
} finally {
  rmSync(reports, { recursive: true, force: true });
}
if (bad.length > 0) console.log(`failed: ${bad.join(", ")}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;

async function bunSuite(suite: string): Promise<Counts> {
  if (!known.includes(suite)) return broken(`there is no suite ${suite}; there are ${known.join(" ")}`);
  const report = join(reports, `${suite}.xml`);
  const { code } = await run(process.execPath, [
    "test",
    // Each test sets its own bound where it must; this one only keeps a hang from being forever.
    "--timeout=120000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    `./test/${suite}/`,
  ]);
  if (!existsSync(report)) return broken(`${suite} ended with ${code} and no report`);
  const counts = countsOfJunit(readFileSync(report, "utf8"));
  if (counts.passed + counts.failed === 0) return broken(`${suite} ran no test`);
  // A fault outside any test (a file that does not load) is in the exit status only.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** A suite that runs elsewhere (as another user, under other kernels); its last line is `N passed, N failed` like ours. */
async function ownRunner(suite: string, script: string): Promise<Counts> {
  const { code, output } = await run(script, []);
  const counts = closingLine(output);
  if (counts === undefined) return broken(`test/${suite}/run ended with ${code} and no counts`);
  if (counts.passed + counts.failed === 0) return broken(`test/${suite}/run ran no test`);
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

function broken(why: string): Counts {
  console.log(`   ${why}`);
  return { passed: 0, failed: 1 };
}

/** Runs a program, shows what it prints as it comes, and keeps it. */
async function run(command: string, args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const parts: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Buffer) => {
      parts.push(bytes);
      process.stdout.write(bytes);
    });
  }
  const code = await new Promise<number | null>((done, refuse) => {
    child.on("error", refuse);
    child.on("close", done);
  });
  return { code, output: Buffer.concat(parts).toString("utf8") };
}
