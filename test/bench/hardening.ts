/** What the hardening costs: the engine with it and without, and with each part alone, in one run, round by round. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobSpecInput } from "#spec/schema.ts";
import { type Engine, engineIn } from "./engine.ts";
import { goals, median, ms, quantile, table } from "./table.ts";

type Security = NonNullable<JobSpecInput["security"]>;

const rounds = 300;
const warmUp = 30;

/**
 * A sandbox without hardening: the pid, mount, net, ipc, uts and cgroup namespaces, the read-only root and the private
 * /dev, /proc, /sys, /tmp and /run of any job, but every capability, the host's ids, no filter, nothing masked.
 */
const none: Security = {
  userns: "host",
  capAdd: ["ALL"],
  noNewPrivileges: false,
  seccomp: "unconfined",
  maskPaths: false,
};

/** `none` but for one part. */
const without = (...names: (keyof Security)[]): Security =>
  Object.fromEntries(Object.entries(none).filter(([name]) => !names.includes(name as keyof Security)));

/** Three paths; a program of a merged /usr starts with them. */
const paths: Security = { read: ["/usr", "/etc"], write: ["/tmp"] };

function variantsOf({ landlock }: Engine): Record<string, Security> {
  return {
    none,
    "a user namespace": without("userns"),
    "masked and read-only paths": without("maskPaths"),
    "no capabilities, `no_new_privs`": without("capAdd", "noNewPrivileges"),
    // Installing it takes CAP_SYS_ADMIN or no_new_privs, so both are the same but for it.
    "a system call filter, `no_new_privs`": without("seccomp", "noNewPrivileges"),
    ...(landlock > 0 && { "Landlock with three paths": { ...none, ...paths } }),
    "all by default": {},
    ...(landlock > 0 && { "all by default, and Landlock": paths }),
  };
}

/** The section `hardening` as Markdown. */
export async function hardening(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "tele-bench-"));
  const engine = engineIn(folder);
  const variants = Object.entries(variantsOf(engine));
  const samples = new Map(variants.map(([name]) => [name, [] as number[]]));
  try {
    for (let round = -warmUp; round < rounds; round++) {
      // Each round begins with another one, so that none is always behind the same neighbour.
      for (let turn = 0; turn < variants.length; turn++) {
        const [name, security] = variants[(turn + round + warmUp) % variants.length] ?? ["", {}];
        const { whole } = engine.once(security);
        if (round >= 0) samples.get(name)?.push(whole);
      }
    }
  } finally {
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const base = samples.get("none") ?? [];
  const more = (name: string): number =>
    median((samples.get(name) ?? []).map((sample, round) => sample - (base[round] ?? Number.NaN)));
  const rows = [...samples].map(([name, own]) => [
    name,
    ms(median(own)),
    ms(quantile(own, 0.95)),
    name === "none" ? "" : signed(more(name)),
  ]);
  const cost = more("all by default");
  const note = engine.landlock > 0 ? "" : "\n\nThis kernel has no Landlock.";
  return [
    table(["`/bin/true` to reaped, in process; hardening", "median", "p95", "over none"], rows) + note,
    goals([{ what: "the whole default hardening", measured: signed(cost), goal: "≤ 0.5 ms", met: cost <= 5e5 }]),
  ].join("\n\n");
}

function signed(nanoseconds: number): string {
  return nanoseconds < 0 ? `-${ms(-nanoseconds)}` : `+${ms(nanoseconds)}`;
}
