/** The command line as whole processes, next to a compiled hello. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon, tele } from "./daemon.ts";
import { run } from "./http.ts";
import { compile, responder, timed } from "./responder.ts";
import { goals, median, ms, quantile, table } from "./table.ts";

const rounds = 60;

/** The section `cli` as Markdown. */
export async function cli(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tele-bench-"));
  const daemon = await startDaemon();
  const stopwatch = responder(compile(folder, "stopwatch"), [], daemon.env);
  try {
    const id = await daemon.start({ command: ["/bin/sleep", "1000"] });
    const hello = join(folder, "hello");
    writeFileSync(`${hello}.ts`, 'console.log("hello");\n');
    await run(process.execPath, ["build", "--compile", "--minify", "--bytecode", `${hello}.ts`, "--outfile", hello]);
    const lines: Record<string, string[]> = {
      "a hello compiled by the same Bun": [hello],
      "`tele --version`": [tele, "--version"],
      "`tele status JOB`": [tele, "status", id],
      "`tele ps`": [tele, "ps"],
      "`tele start -- /bin/true`": [tele, "start", "--", "/bin/true"],
    };
    const samples = new Map(Object.keys(lines).map((name) => [name, [] as number[]]));
    for (let round = -5; round < rounds; round++) {
      for (const [name, args] of Object.entries(lines)) {
        const ns = timed(await stopwatch.ask(args.join("\x1f")));
        if (round >= 0) samples.get(name)?.push(ns);
      }
    }
    const of = (name: string): number => median(samples.get(name) ?? []);
    return [
      table(
        ["whole process", "median", "p95"],
        [...samples].map(([name, own]) => [name, ms(median(own)), ms(quantile(own, 0.95))]),
      ),
      goals([
        {
          what: "`tele --version`",
          measured: ms(of("`tele --version`")),
          goal: "≤ 8 ms",
          met: of("`tele --version`") <= 8e6,
        },
        {
          what: "`tele status`",
          measured: ms(of("`tele status JOB`")),
          goal: "≤ 25 ms",
          met: of("`tele status JOB`") <= 25e6,
        },
      ]),
    ].join("\n\n");
  } finally {
    await stopwatch.close();
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
