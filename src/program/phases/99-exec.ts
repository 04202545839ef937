/** The workload begins. A name without a slash is looked for along its own PATH, as execvp(3) does. */
import type { Phase } from "../phase.ts";
import { type Step, step, type Value } from "../step.ts";

/** The search path where the job's environment has none, as docker and systemd set it. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** So many different directories of a PATH are searched, so that a megabyte of colons is not a megabyte of steps. */
const MOST_DIRECTORIES = 256;

export const exec: Phase = ({ spec, identity }) => {
  const environment: Record<string, string> = { PATH: DEFAULT_PATH, HOME: identity.home, ...spec.env };
  const name = spec.command[0] ?? "";
  const argv: Value = { vector: spec.command };
  const envp: Value = { vector: Object.entries(environment).map(([key, value]) => `${key}=${value}`) };
  const start: Step = step("workdir.enter", "chdir", [spec.workdir]);
  if (name.includes("/")) return [start, step("workload.exec", "execve", [name, argv, envp])];
  const directories = new Set((environment["PATH"] ?? "").split(":").map((directory) => directory || "."));
  const candidates = [...directories].slice(0, MOST_DIRECTORIES).map((directory) => `${directory}/${name}`);
  const last = candidates.at(-1) ?? name;
  return [
    start,
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
