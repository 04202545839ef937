/** What an idle job costs in all our processes together, its own workload apart. */
import { readdirSync, readFileSync } from "node:fs";
import { type Daemon, startDaemon } from "./daemon.ts";
import { memoryOf } from "./http.ts";
import { digits, goals, median, table } from "./table.ts";

const jobs = 100;

/** The section `memory` as Markdown. */
export async function memory(): Promise<string> {
  const daemon = await startDaemon();
  try {
    const idle = { command: ["/bin/sleep", "100000"] };
    // Before each look the same work: it loads and compiles what all jobs share, and lets the heap take its size.
    await churn(daemon);
    const before = await settled(daemon.pid);
    const already = new Set(childrenOf(daemon.pid));
    for (let i = 0; i < jobs; i++) await daemon.start(idle);
    await churn(daemon);
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
          ["daemon without any", `${digits(before / 1e6)} MB`],
        ],
      ),
      goals([{ what: "an idle job", measured: kilobytes(whole), goal: "≤ 100 KB", met: whole <= 100 * 1024 }]),
    ].join("\n\n");
  } finally {
    await daemon.stop();
  }
}

/** Two hundred short jobs, forgotten at once. */
async function churn(daemon: Daemon): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const id = await daemon.start({ command: ["/bin/true"] });
    await daemon.closed(id);
    await daemon.call("DELETE", `/v1/jobs/${id}`);
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
