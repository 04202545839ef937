/** Starting jobs and asking for them over HTTPS with client certificates. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { need } from "#test/support/needs.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { startNginx } from "./nginx.ts";
import { compile, responder } from "./responder.ts";
import { digits, type Goal, goals, median, ms, quantile, table } from "./table.ts";

const rounds = 300;

/** The section `http` as Markdown. */
export async function http(): Promise<string> {
  need("h2load", "openssl", "gcc");
  const daemon = await startDaemon();
  try {
    return [await starts(daemon), await requests(daemon)].join("\n\n");
  } finally {
    await daemon.stop();
  }
}

/** Latency of starting a job, and how many a second. */
async function starts(daemon: Daemon): Promise<string> {
  const client = responder(process.execPath, [join(import.meta.dirname, "load.ts")], {
    ...process.env,
    TELE_URL: daemon.url,
    TELE_CA: daemon.ca,
    TELE_PEM: daemon.pem,
  });
  const created: number[] = [];
  const first: number[] = [];
  for (let round = -30; round < rounds; round++) {
    const [a = Number.NaN, b = Number.NaN] = (await client.ask("go")).split(" ").map(Number);
    if (round < 0) continue;
    created.push(a);
    first.push(b);
  }
  await client.close();
  const body = join(daemon.folder, "body.json");
  writeFileSync(body, JSON.stringify({ command: ["/bin/true"] }));
  const post = ["-d", body, "-H", "content-type: application/json"];
  await h2load(daemon, `${daemon.url}/v1/jobs`, "-n40", "-c8", "-m1", ...post);
  const burst = await h2load(daemon, `${daemon.url}/v1/jobs`, "-n1000", "-c8", "-m1", ...post);
  const row = (name: string, samples: number[]): string[] => [
    name,
    ms(median(samples)),
    ms(quantile(samples, 0.95)),
    ms(quantile(samples, 0.99)),
  ];
  const list: Goal[] = [
    { what: "POST → 201, p50", measured: ms(median(created)), goal: "≤ 4 ms", met: median(created) <= 4e6 },
    {
      what: "POST → 201, p99",
      measured: ms(quantile(created, 0.99)),
      goal: "≤ 20 ms",
      met: quantile(created, 0.99) <= 20e6,
    },
    { what: "launches, 8 at a time", measured: `${digits(burst.rate)}/s`, goal: "≥ 200/s", met: burst.rate >= 200 },
  ];
  return [
    table(
      ["one job over a kept-alive connection", "median", "p95", "p99"],
      [
        row("`POST /v1/jobs` → 201, the workload runs", created),
        row("`POST /v1/jobs` → first byte of `:watch`", first),
      ],
    ),
    goals(list),
  ].join("\n\n");
}

/** Answers and handshakes a second, side by side with nginx. */
async function requests(daemon: Daemon): Promise<string> {
  const id = await daemon.start({ command: ["/bin/sleep", "1000"] });
  const path = `/v1/jobs/${id}`;
  const nginx = await startNginx(daemon, JSON.stringify(await daemon.call("GET", path)));
  const servers = [
    { name: "tele", url: daemon.url, port: daemon.port },
    ...(nginx ? [{ name: "nginx", ...nginx }] : []),
  ];
  const rates = new Map(servers.map(({ name }) => [name, { gets: [] as number[], handshakes: [] as number[] }]));
  try {
    for (let round = 0; round < 5; round++) {
      for (const { name, url, port } of servers) {
        const many = round === 0 ? "-n5000" : "-n60000";
        const { rate } = await h2load(daemon, url + path, many, "-c4", "-m32", "-t1");
        const shakes = await handshakes(daemon, port, path, round === 0 ? 1 : 4);
        if (round === 0) continue;
        rates.get(name)?.gets.push(rate);
        rates.get(name)?.handshakes.push(shakes);
      }
    }
  } finally {
    await nginx?.stop();
  }
  const medians = (name: string): [number, number] => {
    const own = rates.get(name);
    return own === undefined ? [Number.NaN, Number.NaN] : [median(own.gets), median(own.handshakes)];
  };
  const [gets, shakes] = medians("tele");
  const [nginxGets, nginxShakes] = medians("nginx");
  const row = (what: string, own: number, other: number): string[] => [
    what,
    digits(own),
    digits(other),
    `${(own / other).toFixed(2)} ×`,
  ];
  const list: Goal[] = [
    { what: "GET a job, h2", measured: `${digits(gets)}/s`, goal: "≥ 20,000/s", met: gets >= 20_000 },
    {
      what: "new connections, of nginx's",
      measured: `${(shakes / nginxShakes).toFixed(2)} ×`,
      goal: "≥ 0.7 ×",
      met: shakes >= 0.7 * nginxShakes,
    },
  ];
  return [
    table(
      ["per second, client and server on the same cores", "tele", "nginx", "tele of nginx"],
      [
        row("`GET /v1/jobs/{id}` over h2 (nginx: the same JSON as a file)", gets, nginxGets),
        row("new connections with client certificates, one request each", shakes, nginxShakes),
      ],
    ),
    goals(list),
  ].join("\n\n");
}

let preload: string | undefined;

/** Runs h2load with our client certificate; throws when any request failed. */
async function h2load(daemon: Daemon, url: string, ...args: string[]): Promise<{ rate: number }> {
  preload ??= compile(daemon.folder, "clientcert", "-shared", "-fPIC");
  const env = { ...process.env, LD_PRELOAD: preload, LOAD_CERT: daemon.pem };
  const output = await run("h2load", [...args, url], env);
  const done = /requests: (\d+) total, .* (\d+) succeeded, (\d+) failed/.exec(output);
  const rate = /finished in [^,]+, ([\d.]+) req\/s/.exec(output)?.[1];
  const good = /status codes: (\d+) 2xx/.exec(output)?.[1];
  if (done === null || rate === undefined || done[1] !== done[2] || done[1] !== good)
    throw new Error(`h2load: ${output}`);
  return { rate: Number(rate) };
}

/** New connections per second by two processes of `openssl s_time`, each connection with one request. */
async function handshakes(daemon: Daemon, port: number, path: string, seconds: number): Promise<number> {
  const identity = ["-cert", daemon.pem, "-key", daemon.pem, "-CAfile", daemon.ca];
  const args = ["s_time", "-connect", `localhost:${port}`, ...identity, "-new", "-www", path, "-time", String(seconds)];
  const outputs = await Promise.all([run("openssl", args), run("openssl", args)]);
  return outputs.reduce((sum, output) => {
    const real = /^(\d+) connections in (\d+) real seconds, (\d+) bytes read per connection/m.exec(output);
    if (real === null || Number(real[3]) === 0) throw new Error(`openssl s_time: ${output}`);
    return sum + Number(real[1]) / Number(real[2]);
  }, 0);
}

/** Runs a program and returns what it printed; throws when it fails. */
export async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const child = spawn(command, [...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const parts: Buffer[] = [];
  child.stdout.on("data", (bytes: Buffer) => parts.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => parts.push(bytes));
  const code = await new Promise<number | null>((done, refuse) => {
    child.on("error", refuse);
    child.on("close", done);
  });
  const output = Buffer.concat(parts).toString();
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${output}`);
  return output;
}

/** Resident and proportional memory of a process in bytes. */
export function memoryOf(pid: number): { rss: number; peak: number; pss: number } {
  const kilobytes = (file: string, name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1] ?? 0) *
    1024;
  return {
    rss: kilobytes("status", "VmRSS"),
    peak: kilobytes("status", "VmHWM"),
    pss: kilobytes("smaps_rollup", "Pss"),
  };
}
