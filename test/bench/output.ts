/** Output: into the file, out of it to one watcher and to a hundred. */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Job } from "#spec/job.ts";
import { need } from "#test/support/needs.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { memoryOf, run } from "./http.ts";
import { digits, type Goal, goals, median, table } from "./table.ts";

const gibibyte = 2 ** 30;
const watchers = 100;
const roomy = { cpus: 2, memory: "1Gi", output: "2Gi" };

/** The section `output` as Markdown. */
export async function output(): Promise<string> {
  need("curl", "head", "cat");
  const daemon = await startDaemon();
  try {
    const writing = await throughput(daemon);
    const reading = await oneWatcher(daemon, writing.id);
    const crowd = await manyWatchers(daemon);
    const list: Goal[] = [
      { what: "one watcher, mTLS", measured: `${digits(reading.h2)} MB/s`, goal: "≥ 500 MB/s", met: reading.h2 >= 500 },
      {
        what: `${watchers} watchers of one job`,
        measured: `${crowd.same} identical`,
        goal: `${watchers} identical`,
        met: crowd.same === watchers,
      },
      {
        what: "daemon's RSS meanwhile",
        measured: `${digits(crowd.rss / 1e6)} MB`,
        goal: "≤ 150 MB",
        met: crowd.rss <= 150e6,
      },
    ];
    const rows = [
      ["1 GiB of a job's output, start to end of the job", digits(writing.job), ""],
      ["`head | cat > file` on the host", digits(writing.cat), `${(writing.job / writing.cat).toFixed(2)} ×`],
      ["`curl` of `:watch`, 1 GiB, h2", digits(reading.h2), ""],
      ["`curl` of `:watch`, 1 GiB, HTTP/1.1", digits(reading.h1), ""],
      [`${watchers} × \`curl\` of a running job's 32 MiB, all together`, digits(crowd.rate), ""],
    ];
    return [table(["output", "MB/s", "job of cat"], rows), goals(list)].join("\n\n");
  } finally {
    await daemon.stop();
  }
}

async function throughput(daemon: Daemon): Promise<{ id: string; job: number; cat: number }> {
  const jobs: number[] = [];
  const cats: number[] = [];
  const file = join(daemon.folder, "cat.out");
  let kept = "";
  for (let round = 0; round < 3; round++) {
    const id = await daemon.start({ command: ["/usr/bin/head", "-c", String(gibibyte), "/dev/zero"], limits: roomy });
    const job = await daemon.closed(id);
    if (job.state !== "COMPLETED" || job.usage.outputBytes !== gibibyte) throw new Error(JSON.stringify(job));
    jobs.push(gibibyte / 1e6 / (lifetime(job) / 1000));
    const from = performance.now();
    await run("sh", ["-c", `head -c ${gibibyte} /dev/zero | cat >${file}`]);
    cats.push(gibibyte / 1e6 / ((performance.now() - from) / 1000));
    if (existsSync(file)) rmSync(file);
    if (kept !== "") await daemon.call("DELETE", `/v1/jobs/${kept}`);
    kept = id;
  }
  return { id: kept, job: median(jobs), cat: median(cats) };
}

/** Milliseconds from start to end. */
function lifetime(job: Job): number {
  const at = (time: string | undefined): number => Date.parse(time ?? "") + fraction(time ?? "");
  return at(job.endTime) - at(job.startTime);
}

/** What of an RFC 3339 time with nanoseconds lies below the millisecond, in milliseconds. */
function fraction(time: string): number {
  return Number(`0.${/\.\d{3}(\d+)/.exec(time)?.[1] ?? "0"}`);
}

async function oneWatcher(daemon: Daemon, id: string): Promise<{ h2: number; h1: number }> {
  const rates = { h2: [] as number[], h1: [] as number[] };
  for (let round = 0; round < 5; round++) {
    for (const kind of ["h2", "h1"] as const) {
      const flags = [
        kind === "h2" ? "--http2" : "--http1.1",
        "-o",
        "/dev/null",
        "-w",
        "%{size_download} %{speed_download}",
      ];
      const said = await run("curl", [...curlFlags(daemon), ...flags, `${daemon.url}/v1/jobs/${id}:watch`]);
      const [size, speed = Number.NaN] = said.split(" ").map(Number);
      if (size !== gibibyte) throw new Error(`curl received ${size} bytes`);
      if (round > 0) rates[kind].push(speed / 1e6);
    }
  }
  return { h2: median(rates.h2), h1: median(rates.h1) };
}

async function manyWatchers(daemon: Daemon): Promise<{ same: number; rss: number; rate: number }> {
  const bytes = 32 * 2 ** 20;
  const random = `echo first; openssl enc -aes-128-ctr -pass pass:tele -nosalt -pbkdf2 -in /dev/zero 2>/dev/null | head -c ${bytes}`;
  // The rest begins when it is told to: by then every watcher has the first line, and all of them follow a running job.
  const script = random.replace(";", "; trap : USR1; sleep 1000 & wait $!; kill $!;");
  const id = await daemon.start({ command: ["/bin/sh", "-c", script], limits: roomy });
  const heads = join(daemon.folder, "heads");
  mkdirSync(heads);
  const line = (watcher: number): string =>
    `curl ${curlFlags(daemon).join(" ")} -D ${heads}/${watcher} ${daemon.url}/v1/jobs/${id}:watch | sha256sum`;
  const sums = Promise.all(Array.from({ length: watchers }, (_, watcher) => run("sh", ["-c", line(watcher)])));
  const watching = (): number => readdirSync(heads).filter((name) => statSync(join(heads, name)).size > 0).length;
  const deadline = Date.now() + 60_000;
  while (watching() < watchers) {
    if (Date.now() > deadline) throw new Error(`only ${watching()} of ${watchers} watchers got an answer`);
    await new Promise((done) => setTimeout(done, 20));
  }
  let rss = 0;
  const sampler = setInterval(() => {
    rss = Math.max(rss, memoryOf(daemon.pid).rss);
  }, 20);
  const from = performance.now();
  await daemon.call("POST", `/v1/jobs/${id}:signal`, { signal: "USR1" });
  const seen = await sums;
  const seconds = (performance.now() - from) / 1000;
  clearInterval(sampler);
  const job = await daemon.closed(id);
  if (job.usage.outputBytes !== bytes + "first\n".length)
    throw new Error(`the job wrote ${job.usage.outputBytes} bytes`);
  const wanted = (await run("sh", ["-c", `(${random}) | sha256sum`])).slice(0, 64);
  return { same: seen.filter((sum) => sum.startsWith(wanted)).length, rss, rate: (watchers * bytes) / 1e6 / seconds };
}

function curlFlags(daemon: Daemon): string[] {
  return ["-sS", "--fail", "--cacert", daemon.ca, "--cert", daemon.pem, "--key", daemon.pem];
}
