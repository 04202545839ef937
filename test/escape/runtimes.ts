/** Who runs the probes: tele in each profile, and the others that are installed, all with the host's tree read-only. */
import { execFileSync } from "node:child_process";
import { constants, copyFileSync, linkSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MissingNeed, need } from "#test/support/needs.ts";
import { PROFILES, type Profile } from "#spec/security.ts";
import type { Place, Runtime } from "./host.ts";

/** Nobody else on the machine, and in no file. */
export const ORDINARY = { uid: 54_321, gid: 54_321 } as const;

/** The same view as tele's default: the host's tree, own /proc, /dev, /tmp, /run, no capability, no network. */
const BWRAP = `bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --ro-bind / /
  --proc /proc --dev /dev --tmpfs /tmp --tmpfs /run --`.split(/\s+/);

const bwrap: Runtime = { name: "bwrap", needs: ["bwrap"], command: (_, inside) => [...BWRAP, ...inside] };

const bwrapRootless: Runtime = { ...bwrap, name: "bwrap, ordinary user", user: ORDINARY };

/** `crun spec` or `runc spec` as they are, but for the root, the command and a /tmp and /run of its own. */
function oci(name: "crun" | "runc"): Runtime {
  return {
    name,
    needs: [name],
    command(place, inside) {
      const bundle = join(place.directory, "bundle");
      const root = join(place.directory, "root");
      mkdirSync(bundle);
      mkdirSync(root);
      execFileSync(name, ["spec"], { cwd: bundle });
      const file = join(bundle, "config.json");
      const config = JSON.parse(readFileSync(file, "utf8")) as {
        process: Record<string, unknown>;
        mounts: unknown[];
        linux: Record<string, unknown>;
      };
      const tmpfs = (destination: string, mode: string): unknown => ({
        destination,
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "nodev", `mode=${mode}`],
      });
      const changed = {
        ...config,
        root: { path: root, readonly: true },
        process: { ...config.process, terminal: false, args: inside, env: assignments(place) },
        mounts: [...config.mounts, tmpfs("/tmp", "1777"), tmpfs("/run", "755")],
        linux: { ...config.linux, cgroupsPath: `/${place.name}` },
      };
      writeFileSync(file, JSON.stringify(changed));
      // On hybrid hosts neither finds its way with both hierarchies in sight.
      const prepare = `mount --bind / ${root} && { umount /sys/fs/cgroup/unified 2>/dev/null || :; }`;
      return ["sh", "-c", `${prepare} && exec ${name} run --bundle ${bundle} ${place.name}`];
    },
  };
}

/** One of ours: what it lets through is in allowed.ts, by its profile and by who starts it. */
export interface TeleRuntime extends Runtime {
  readonly profile: Profile;
}

const BINARY = join(import.meta.dirname, "../../dist/tele");

/** Linked where it can be: it is large. */
function placeBinary(path: string): void {
  try {
    linkSync(BINARY, path);
  } catch {
    copyFileSync(BINARY, path, constants.COPYFILE_FICLONE);
  }
}

/** `tele run`, without a daemon, in the launcher's terminal. */
function run(profile: Profile, user?: Runtime["user"]): TeleRuntime {
  return {
    name: `tele run ${profile}${user ? ", ordinary user" : ""}`,
    profile,
    needs: ["dist/tele", "userns"],
    ...(user && { user }),
    command(place, inside, limits) {
      // The project may lie where an ordinary user cannot look.
      const program = user ? join(place.directory, "tele") : BINARY;
      if (user) placeBinary(program);
      return [
        program,
        "run",
        `--profile=${profile}`,
        ...assignments(place).map((one) => `--env=${one}`),
        // Nothing holds limits for an ordinary user without a delegated cgroup.
        ...(limits && !user ? ["--memory=128Mi", "--pids=128"] : []),
        "--",
        ...inside,
      ];
    },
  };
}

/** A job of a supervisor, as a daemon runs it. */
function job(profile: Profile): TeleRuntime {
  return {
    name: `tele ${profile}`,
    profile,
    needs: ["cgroup", "userns"],
    command: (place, inside, limits) => [
      process.execPath,
      join(import.meta.dirname, "one-job.ts"),
      JSON.stringify({
        command: inside,
        env: place.environment,
        security: { profile },
        limits: { cpus: 2, ...(limits && { memory: "128Mi", memoryHigh: "128Mi", pids: 128 }) },
      }),
    ],
  };
}

/** The bare sandbox, without a daemon and its pipes, in the launcher's own terminal and session: the filter alone is in the way. */
function terminal(profile: Profile): TeleRuntime {
  return {
    name: `tele ${profile}, in a terminal`,
    profile,
    needs: ["userns"],
    command: (place, inside) => [
      process.execPath,
      join(import.meta.dirname, "one-sandbox.ts"),
      JSON.stringify({ command: inside, env: place.environment, security: { profile, newSession: false } }),
    ],
  };
}

export const TERMINAL: readonly TeleRuntime[] = PROFILES.map(terminal);

/** Those that `bun test` holds to their tables. */
export const TELE: readonly TeleRuntime[] = [
  ...PROFILES.map(job),
  ...PROFILES.map((profile) => run(profile)),
  // An ordinary user has nothing of the host's to give.
  ...PROFILES.filter((profile) => profile !== "host").map((profile) => run(profile, ORDINARY)),
];

/** Root on the host of host-side.c itself: shows which probes can tell that there is no barrier. */
export const NOTHING: Runtime = { name: "no sandbox", needs: [], command: (_, inside) => inside };

export const OTHERS: readonly Runtime[] = [bwrap, bwrapRootless, oci("crun"), oci("runc")];

/** Why this one cannot run here; undefined where it can. */
export function missing(runtime: Runtime): string | undefined {
  try {
    need("root", ...runtime.needs);
    return undefined;
  } catch (error) {
    if (error instanceof MissingNeed) return error.message;
    throw error;
  }
}

function assignments(place: Place): string[] {
  return Object.entries(place.environment).map(([name, value]) => `${name}=${value}`);
}
