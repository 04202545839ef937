/** What an idle job costs in all our processes together, its own workload apart. */
import { readdirSync, readFileSync } from "node:fs";
import { startDaemon } from "./daemon.ts";
import { memoryOf } from "./http.ts";
import { digits, goals, median, table } from "./table.ts";

const jobs = 100;

/** The section `memory` as Markdown. */
export async function memory(): Promise<string> {
  const daemon = await startDaemon();
  try {
    const idle = { command: ["/bin/sleep", "100000"] };
    // The first few make the daemon load and compile what every later one shares.
    for (let i = 0; i < 50; i++) await daemon.start(idle);
    const before = await settled(daemon.pid);
    const already = new Set(childrenOf(daemon.pid));
    for (let i = 0; i < jobs; i++) await daemon.start(idle);
    const growth = ((await settled(daemon.pid)) - before) / jobs;
    const tethers = childrenOf(daemon.pid).filter((pid) => !already.has(pid));
    if (tethers.length !== jobs) throw new Error(`${jobs} jobs have ${tethers.length} tethers`);
    const own = median(tethers.map((pid) => memoryOf(pid).pss));
    const kilobytes = (bytes: number): string => `${digits(bytes / 1024)} KB`;
    const whole = growth + own;
    return [
      table(
        [`an idle job, of ${jobs}`, "PSS"],
        [
          ["its tether", kilobytes(own)],
          ["growth of the daemon", kilobytes(growth)],
          ["together", kilobytes(whole)],
          ["daemon with 50 jobs", `${digits(before / 1e6)} MB`],
        ],
      ),
      goals([{ what: "an idle job", measured: kilobytes(whole), goal: "≤ 100 KB", met: whole <= 100 * 1024 }]),
    ].join("\n\n");
  } finally {
    await daemon.stop();
  }
}

/** PSS once it stops falling: garbage of the starts is no cost of an idle job. The least of what is seen in a while. */
async function settled(pid: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let quiet = 0; quiet < 40; quiet++) {
    await new Promise((done) => setTimeout(done, 100));
    const now = memoryOf(pid).pss;
    if (now < least - 65_536) quiet = 0;
    least = Math.min(least, now);
  }
  return least;
}

/** Direct children of a process. */
function childrenOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      try {
        return new RegExp(`^PPid:\\s+${pid}$`, "m").test(readFileSync(`/proc/${child}/status`, "utf8"));
      } catch {
        return false; // gone meanwhile
      }
    });
}
