/** A program as strace would show it, one line a step. */
import { flagNames, valueName } from "#ffi/abi/flags.ts";
import { LAST_DESCRIPTOR } from "#ffi/abi/close-range.ts";
import { AT } from "#ffi/abi/fcntl.ts";
import { signalName } from "#ffi/abi/signal.ts";
import { deviceName } from "#ffi/abi/stat.ts";
import { CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP } from "#ffi/abi/clone.ts";
import { type ArgumentType, SYSCALLS } from "#ffi/syscalls.ts";
import { structureText } from "./structures.ts";
import type { Program, Step, Value } from "./step.ts";

const LABEL_WIDTH = 30;

/** The whole program as text, ending in a newline. */
export function listing(program: Program): string {
  const born = `${"tether.clone".padEnd(LABEL_WIDTH)}clone3(${flagNames("CLONE", program.namespaces)})`;
  return `${[born, ...program.steps.map(line)].join("\n")}\n`;
}

/** The call of one step: `pivot_root(".", ".")`. */
export function callText(step: Step): string {
  return `${step.call}(${step.args.map((value, index) => argument(step, value, index)).join(", ")})`;
}

/** The call of one step in a few words, for errors: paths and flags, but no argument vectors, environments or structures. */
export function callBrief(step: Step): string {
  const shown = step.args.flatMap((value, index) => {
    const { type } = signature(step, index);
    return type === "pointer" || type === "vector" || type === "size" ? [] : [argument(step, value, index)];
  });
  return `${step.call}(${shown.join(", ")})`;
}

function signature(step: Step, index: number): { name: string; type: ArgumentType } {
  const [name = "", type = "int"] = (SYSCALLS[step.call].args[index] ?? "").split(/:(.*)/s);
  return { name, type: type as ArgumentType };
}

function line(step: Step): string {
  const parts = [step.label.padEnd(LABEL_WIDTH) + callText(step)];
  if (step.save) parts.push(`→ ${step.save}`);
  if (step.each) parts.push(`for ${step.each.first}…${step.each.last}`);
  if (step.tolerate) parts.push(`or ${step.tolerate.join(", ")}`);
  if (step.forks) parts.push("(from here on the child's, but for the tether's own)");
  if (step.tether) parts.push("(the tether)");
  return parts.join("  ");
}

function argument(step: Step, value: Value, index: number): string {
  const { name, type } = signature(step, index);
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return structureText(step.call, name, value);
  if (typeof value === "object") {
    if ("patched" in value) return structureText(step.call, name, value.patched, value.slot);
    if ("slot" in value) return value.slot;
    if ("from" in value) return value.half === undefined ? `*${value.from}` : `${value.from}[${value.half}]`;
    if ("passing" in value) return `{control={SCM_RIGHTS, [${value.passing}]}}`;
    if ("filter" in value) return `{filter=${value.name}}`;
    if ("out" in value) return `&${value.out}`;
    if ("round" in value) return "n";
    if ("vector" in value) return `[${value.vector.map((text) => JSON.stringify(text)).join(", ")}]`;
    return clone(value.clone);
  }
  if (type.startsWith("flags:")) return flagNames(type.slice(6), value);
  if (type === "one:SIG") return value === 0 ? "0" : signalName(value);
  if (type.startsWith("one:")) return valueName(type.slice(4), value);
  switch (type) {
    case "fd":
      return value === AT.FDCWD ? "AT_FDCWD" : value === LAST_DESCRIPTOR ? "~0" : String(value);
    case "path":
    case "text":
    case "pointer":
    case "vector":
      return value === 0 ? "NULL" : `0x${value.toString(16)}`;
    case "mode":
      return value === 0 ? "0" : `0${value.toString(8)}`;
    case "device":
      return deviceName(value);
    default:
      return String(value);
  }
}

function clone(args: { flags: bigint; exitSignal: number; pidfd: string; cgroup?: number }): string {
  const names = [flagNames("CLONE", Number(args.flags & 0xffff_ffffn))];
  if (args.flags & CLONE_CLEAR_SIGHAND) names.push("CLONE_CLEAR_SIGHAND");
  if (args.flags & CLONE_INTO_CGROUP) names.push("CLONE_INTO_CGROUP");
  const cgroup = args.cgroup === undefined ? "" : `, cgroup=${args.cgroup}`;
  return `{flags=${names.join("|")}, exit_signal=${valueName("SIG", args.exitSignal)}, pidfd=&${args.pidfd}${cgroup}}`;
}
