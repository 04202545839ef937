/** Whole processes side by side: how long until `/bin/true` in fresh namespaces is over. */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath } from "#test/support/needs.ts";
import { type Contender, contendersIn, NAMES, type Place } from "./contenders.ts";
import { compileFloor } from "./floor.ts";
import { compile, type Responder, responder, timed } from "./responder.ts";
import { type Goal, goals, median, ms, pairedRatio, quantile, table } from "./table.ts";

const rounds = 60;
/** nobody, as the kernel and every distribution number it. */
const nobody = "65534";

/** Nanoseconds by round. */
type Samples = Map<string, Map<number, number>>;

/** The section `processes`: everything that is installed, interleaved, as Markdown. */
export async function processes(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tele-bench-"));
  chmodSync(folder, 0o755);
  const root = join(folder, "root");
  mkdirSync(root);
  const before = podmanCgroups();
  const places = placesIn(folder, root);
  const samples: Samples = new Map();
  const notes: string[] = [];
  const ask = ({ place = "root", args }: Contender, round: number): Promise<string> =>
    places[place].ask(args(round).join("\x1f"));
  try {
    const runnable: Contender[] = [];
    for (const contender of await contendersIn(folder, root, compileFloor(folder).floor)) {
      const [program = ""] = contender.args(0);
      if (!program.startsWith("/") && programPath(program) === undefined)
        notes.push(`${contender.name}: not installed${contender.missing ? ` (${contender.missing})` : ""}`);
      // Once without counting: it warms up, and shows what cannot run here at all.
      else if (!(await ask(contender, -1)).endsWith(" 0")) notes.push(`${contender.name}: does not run here`);
      else runnable.push(contender);
    }
    for (let round = 0; round < rounds; round++) {
      for (const contender of runnable.filter(({ every = 1 }) => round % every === 0)) {
        const own = samples.get(contender.name) ?? new Map<number, number>();
        samples.set(contender.name, own.set(round, timed(await ask(contender, round))));
      }
    }
  } finally {
    await Promise.all(Object.values(places).map((one) => one.close()));
    for (const made of podmanCgroups().filter((cgroup) => !before.includes(cgroup))) removeCgroup(made);
    rmSync(folder, { recursive: true, force: true });
  }
  return report(samples, notes);
}

/** Who starts and times the programs, without a runtime of its own. */
function placesIn(folder: string, root: string): Record<Place, Responder> {
  const clock = compile(folder, "stopwatch");
  // OCI runtimes want a mounted root and no hybrid cgroups: they run in a mount namespace made so.
  const prepare = `mount --bind / ${root} && { umount /sys/fs/cgroup/unified 2>/dev/null || :; } && exec ${clock}`;
  const drop = ["--reuid", nobody, "--regid", nobody, "--clear-groups", "--inh-caps=-all", clock];
  // As a login gives one to its user.
  const runtime = join(folder, "runtime");
  mkdirSync(runtime);
  chownSync(runtime, Number(nobody), Number(nobody));
  return {
    root: responder(clock, []),
    user: responder("setpriv", drop, { PATH: process.env["PATH"], HOME: "/", XDG_RUNTIME_DIR: runtime }),
    prepared: responder("unshare", ["--mount", "sh", "-c", prepare]),
  };
}

function report(samples: Samples, notes: readonly string[]): string {
  const values = (name: string): number[] => [...(samples.get(name)?.values() ?? [])];
  const ratio = (name: string, base: string): number => {
    const others = samples.get(base) ?? new Map<number, number>();
    const rounds = [...(samples.get(name) ?? [])].filter(([round]) => others.has(round));
    const pair = rounds.map(([round, own]) => [own, others.get(round) ?? Number.NaN] as const);
    if (pair.length === 0) return Number.NaN;
    return pairedRatio(
      pair.map(([own]) => own),
      pair.map(([, other]) => other),
    );
  };
  const times = (value: number): string => (Number.isNaN(value) ? "–" : `${value.toFixed(2)} ×`);
  const rows = [...samples.keys()].map((name) => [
    name,
    ms(median(values(name))),
    ms(quantile(values(name), 0.95)),
    times(ratio(name, NAMES.floor)),
    times(ratio(name, NAMES.bwrap)),
    String(values(name).length),
  ]);
  const list: Goal[] = (
    [
      [NAMES.tele, NAMES.bwrap, 1.4, "≤ 1.4 ×"],
      [NAMES.userTele, NAMES.userBwrap, 1.4, "≤ 1.4 ×"],
      [NAMES.tele, NAMES.nsjail, 1, "< 1 ×"],
      [NAMES.tele, NAMES.crun, 1, "< 1 ×"],
      [NAMES.tele, NAMES.runc, 0.25, "≤ 0.25 ×"],
    ] as const
  ).flatMap(([own, other, most, goal]) => {
    const measured = ratio(own, other);
    return Number.isNaN(measured)
      ? []
      : [{ what: `${own}, of ${other}`, measured: times(measured), goal, met: measured <= most }];
  });
  const missing = notes.length === 0 ? [] : [`${notes.join("; ")}.`];
  const head = ["`/bin/true` as a whole process", "median", "p95", "of the floor", "of bwrap", "runs"];
  return [table(head, rows), ...missing, ...(list.length > 0 ? [goals(list)] : [])].join("\n\n");
}

/** The cgroups that podman leaves behind when nothing is in them any more. */
function podmanCgroups(): string[] {
  const base = "/sys/fs/cgroup";
  const at = [base, ...readdirSync(base, { withFileTypes: true }).map(({ name }) => join(base, name))];
  return at.map((folder) => join(folder, "libpod_parent")).filter((folder) => existsSync(folder));
}

function removeCgroup(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(folder, entry.name));
  }
  rmdirSync(folder);
}
