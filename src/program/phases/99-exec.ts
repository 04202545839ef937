/** The workload begins. A name without a slash is looked for along its own PATH, as execvp(3) does. */
import type { Phase } from "../phase.ts";
import { step, type Value } from "../step.ts";

/** The search path where the job's environment has none, as docker and systemd set it. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** So many different directories of a PATH are searched, so that a megabyte of colons is not a megabyte of steps. */
const MOST_DIRECTORIES = 256;

export const exec: Phase = ({ spec, identity, keeper }) => {
  const environment: Record<string, string> = {
    ...(spec.clearEnv ? {} : { PATH: DEFAULT_PATH, HOME: identity.home }),
    ...spec.env,
  };
  const name = spec.command[0] ?? "";
  // Without a daemon one tether serves every command that is called by this name.
  const argv: Value = keeper === "parent" ? { vector: spec.command, passed: true } : { vector: spec.command };
  const envp: Value = { vector: Object.entries(environment).map(([key, value]) => `${key}=${value}`) };
  if (name.includes("/")) return [step("workload.exec", "execve", [name, argv, envp])];
  const directories = new Set((environment["PATH"] ?? DEFAULT_PATH).split(":").map((directory) => directory || "."));
  const candidates = [...directories].slice(0, MOST_DIRECTORIES).map((directory) => `${directory}/${name}`);
  const last = candidates.at(-1) ?? name;
  return [
    ...candidates.map((path, index) =>
      step(`workload.exec-${index + 1}`, "execve", [path, argv, envp], { tolerate: ["ENOENT", "ENOTDIR", "EACCES"] }),
    ),
    // Nothing ran. A program that was there but not executable is the better answer than "not found": look once more.
    ...candidates
      .slice(0, -1)
      .map((path, index) =>
        step(`workload.retry-${index + 1}`, "execve", [path, argv, envp], { tolerate: ["ENOENT", "ENOTDIR"] }),
      ),
    step("workload.exec", "execve", [last, argv, envp]),
  ];
};
