/** The engine against the floor, in one run, pair by pair: from the call to the reaped child of `/bin/true`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { engineIn, type Sample } from "./engine.ts";
import { compileFloor } from "./floor.ts";
import { responder, timed } from "./responder.ts";
import { type Goal, goals, median, ms, pairedRatio, quantile, table } from "./table.ts";

const rounds = 400;
const warmUp = 40;

/** The section `launch` as Markdown. */
export async function launches(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tele-bench-"));
  const compiledFloor = compileFloor(folder);
  const floor = responder(compiledFloor.floor, ["serve", compiledFloor.tether]);
  const engine = engineIn(folder);
  const own: Sample[] = [];
  const same: number[] = [];
  const least: number[] = [];
  try {
    for (let round = -warmUp; round < rounds; round++) {
      // The order changes, so that none is always the first after the pause of talking to the other process.
      const askFloor = async (): Promise<void> => {
        const [a, b] = [timed(await floor.ask("tether")), timed(await floor.ask("inline"))];
        if (round < 0) return;
        same.push(a);
        least.push(b);
      };
      if (round % 2 === 0) await askFloor();
      const sample = engine.once();
      if (round >= 0) own.push(sample);
      if (round % 2 !== 0) await askFloor();
    }
  } finally {
    await floor.close();
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const whole = own.map((sample) => sample.whole);
  const compiled = own.map((sample) => sample.compiled);
  const row = (name: string, samples: number[], base?: number[]): string[] => [
    name,
    ms(median(samples)),
    ms(quantile(samples, 0.95)),
    base === undefined ? "" : `${pairedRatio(samples, base).toFixed(2)} ×`,
  ];
  const ratio = pairedRatio(whole, same);
  const list: Goal[] = [
    { what: "engine, of the floor", measured: `${ratio.toFixed(2)} ×`, goal: "≤ 1.5 ×", met: ratio <= 1.5 },
    {
      what: "event loop blocked per launch",
      measured: ms(median(compiled)),
      goal: "≤ 1 ms",
      met: median(compiled) <= 1e6,
    },
  ];
  return [
    table(
      ["launch of `/bin/true` to reaped, in process", "median", "p95", "of the floor"],
      [
        row("C floor: the same system calls", same, same),
        row("C floor without pipes, memfd and tether", least, same),
        row("tele's engine", whole, same),
        row("– of which planning and assembling, on the event loop", compiled),
        row(
          "– of which `launch`, on the pump's thread",
          own.map((sample) => sample.launched),
        ),
      ],
    ),
    goals(list),
  ].join("\n\n");
}
