/** Whether the next `tele run` with the same words may take the short way, and what it needs for that. */
import { isTerminal } from "#ffi/terminal.ts";
import { circumstances, keepTether, keptDirectory, makingText } from "#runtime/foreground/kept.ts";
import type { Foreground } from "#runtime/foreground/prepare.ts";

interface RunFlags {
  readonly env: readonly string[];
  readonly "env-file": readonly string[];
  readonly learn?: string | undefined;
  readonly "status-fd"?: string | undefined;
  readonly "die-with-parent": boolean;
  readonly subids: boolean;
}

/** Only what its words alone say, and the host; nothing that a file says, and nothing that has to be done besides. */
function isKeepable(flags: RunFlags, { input }: Foreground): boolean {
  const { spec, policy } = input;
  return (
    spec.mounts.length === 0 &&
    Object.values({ ...spec.limits, ...spec.ulimits }).every((value) => value === undefined) &&
    spec.timeout === undefined &&
    spec.require.length === 0 &&
    typeof policy.seccomp === "string" &&
    !policy.reportDenied &&
    policy.newSession &&
    policy.userns === "private" &&
    policy.clock === undefined &&
    flags["env-file"].length === 0 &&
    flags.env.every((word) => word.includes("=")) &&
    flags.learn === undefined &&
    flags["status-fd"] === undefined &&
    !flags["die-with-parent"] &&
    !flags.subids
  );
}

/** Keeps the tether of a sandbox that ran. `argv` is the whole command line behind our own name. */
export function keepRun(
  argv: readonly string[],
  flags: RunFlags,
  prepared: Foreground,
  environment: NodeJS.ProcessEnv,
): void {
  const at = argv.indexOf("--");
  const { spec, facts, ids } = prepared.input;
  const here = circumstances(environment);
  const directory = keptDirectory(here, environment);
  if (argv[0] !== "run" || directory === undefined || here.isRoot !== facts.privileged || !isKeepable(flags, prepared))
    return;
  const making = makingText(here, {
    words: argv.slice(1, at),
    name: spec.command[0] ?? "",
    terminal: isTerminal(1) ? environment["TERM"] : undefined,
    firstId: facts.privileged ? ids?.uids[0]?.outside : undefined,
  });
  keepTether(making, directory, { tether: prepared.tether(), namespaces: prepared.program.namespaces });
}
