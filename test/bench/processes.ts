/** Whole processes side by side: how long until `/bin/true` in fresh namespaces is over. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath } from "#test/support/needs.ts";
import { ociBundle } from "./oci.ts";
import { compile, type Responder, responder, timed } from "./responder.ts";
import { median, ms, pairedRatio, quantile, table } from "./table.ts";

interface Contender {
  name: string;
  args: (round: number) => readonly string[];
  /** One in so many rounds only: for what takes a tenth of a second and more. */
  every?: number;
  /** OCI runtimes want a mounted root and no hybrid cgroups: they run in a mount namespace made so. */
  prepared?: boolean;
}

const rounds = 60;
const namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork", "--mount-proc"];
const bindings = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"];

function contendersIn(folder: string, root: string): Contender[] {
  const bundle = ociBundle(folder, root);
  const oci = (name: string) => (round: number) => [name, "run", "--bundle", bundle, `tele-bench-${round}`];
  const podman = join(folder, "podman");
  const store = ["--root", podman, "--runroot", `${podman}-run`, "--cgroup-manager=cgroupfs", "--events-backend=none"];
  const limits = ["--ulimit=nofile=1024:4096", "--ulimit=nproc=1000:1000"];
  // Without the last two it copies the host's own /tmp and /run into the container's.
  const mounts = ["--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp:notmpcopyup", "--tmpfs=/run:notmpcopyup"];
  const run = ["run", "--rm", "--network=none", ...mounts, ...limits, "--rootfs", root, "/bin/true"];
  return [
    { name: "unshare", args: () => ["unshare", ...namespaces, "/bin/true"] },
    { name: "bwrap", args: () => ["bwrap", ...bindings, "--unshare-all", "--die-with-parent", "/bin/true"] },
    { name: "crun", args: oci("crun"), prepared: true },
    { name: "runc", args: oci("runc"), every: 2, prepared: true },
    { name: "podman", args: () => ["podman", ...store, ...run], every: 6, prepared: true },
    { name: "systemd-run", args: () => ["systemd-run", "--quiet", "--wait", "--collect", "/bin/true"], every: 2 },
    { name: "/bin/true alone", args: () => ["/bin/true"] },
  ];
}

/** The section `processes`: everything that is installed, interleaved with the floor, as a Markdown table. */
export async function processes(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tele-bench-"));
  const root = join(folder, "root");
  mkdirSync(root);
  const floor = [compile(folder, "floor"), "once"].join("\x1f");
  const clock = compile(folder, "stopwatch");
  const prepare = `mount --bind / ${root} && { umount /sys/fs/cgroup/unified 2>/dev/null || :; } && exec ${clock}`;
  const plain = responder(clock, []);
  const prepared = responder("unshare", ["--mount", "sh", "-c", prepare]);
  const ask = (contender: Contender, round: number): Promise<string> =>
    (contender.prepared === true ? prepared : plain).ask(contender.args(round).join("\x1f"));
  const before = podmanCgroups();

  const notes: string[] = [];
  const samples = new Map<string, { own: number[]; base: number[] }>();
  const floors: number[] = [];
  try {
    const runnable: Contender[] = [];
    for (const contender of contendersIn(folder, root)) {
      const [program = ""] = contender.args(0);
      if (!program.startsWith("/") && programPath(program) === undefined)
        notes.push(`${contender.name}: not installed`);
      // Once without counting: it warms up, and shows what cannot run here at all.
      else if (!(await ask(contender, -1)).endsWith(" 0")) notes.push(`${contender.name}: does not run here`);
      else runnable.push(contender);
    }
    for (let round = 0; round < rounds; round++) {
      const base = timed(await plain.ask(floor));
      floors.push(base);
      for (const contender of runnable.filter(({ every = 1 }) => round % every === 0)) {
        const kept = samples.get(contender.name) ?? { own: [], base: [] };
        kept.own.push(timed(await ask(contender, round)));
        kept.base.push(base);
        samples.set(contender.name, kept);
      }
    }
  } finally {
    await Promise.all([plain, prepared].map((one: Responder) => one.close()));
    for (const made of podmanCgroups().filter((cgroup) => !before.includes(cgroup))) removeCgroup(made);
    rmSync(folder, { recursive: true, force: true });
  }
  const rows = [...samples].map(([name, { own, base }]) => [
    name,
    ms(median(own)),
    ms(quantile(own, 0.95)),
    `${pairedRatio(own, base).toFixed(2)} ×`,
    String(own.length),
  ]);
  rows.unshift(["C floor", ms(median(floors)), ms(quantile(floors, 0.95)), "1.00 ×", String(floors.length)]);
  const missing = notes.length === 0 ? "" : `\n\n${notes.join("; ")}.`;
  return `${table(["`/bin/true` as a whole process", "median", "p95", "of the floor", "runs"], rows)}${missing}`;
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
