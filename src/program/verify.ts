/** What every program must hold to, whatever composed it. */
import { CLONE } from "#ffi/abi/clone.ts";
import { SYSCALLS } from "#ffi/syscalls.ts";
import type { Program, Step } from "./step.ts";

/** A tether mounts over its root and kills every process that it sees: in the host's namespaces, the host's. */
const OWN = CLONE.NEWPID | CLONE.NEWNS;

/** Every fault of a program, none for a good one. */
export function faults(program: Program): string[] {
  const found: string[] = [];
  const labels = new Set<string>();
  let slots = new Set<string>();
  const unsure = new Set<string>();
  let filled = new Set<string>();
  /** What the tether knows, once it and its child go separate ways. */
  let tether: { slots: Set<string>; filled: Set<string> } | undefined;
  const child = { slots, filled };
  for (const step of program.steps) {
    ({ slots, filled } = (step.tether && tether) || child);
    const fault = (what: string): unknown => found.push(`${step.label}: ${what}`);
    if (!/^[a-z-]+\.[a-z0-9-]+$/.test(step.label)) fault("a label is phase.verb");
    if (labels.has(step.label)) fault("this label is there twice");
    labels.add(step.label);
    const expected = SYSCALLS[step.call].args.length;
    if (step.args.length !== expected) fault(`${step.call} takes ${expected} arguments, not ${step.args.length}`);
    for (const value of step.args) {
      if (typeof value === "string" && value.includes("\0")) fault("a string holds NUL");
      if (typeof value === "number" && !Number.isSafeInteger(value)) fault(`${value} is no integer`);
      if (typeof value !== "object" || value instanceof Uint8Array) continue;
      if ("vector" in value) for (const text of value.vector) if (text.includes("\0")) fault("a string holds NUL");
      if ("patched" in value && value.at > value.patched.length - 4) fault("the answer is put behind the bytes");
      if ("passing" in value && !slots.has(value.passing)) fault(`${value.passing} is used before a step saves it`);
      if ("slot" in value && !slots.has(value.slot)) fault(`${value.slot} is used before a step saves it`);
      // Where its step tolerated an error there is no descriptor, but -1.
      if ("slot" in value && unsure.has(value.slot) && !step.tolerate?.includes("EBADF"))
        fault(`${value.slot} may be missing, and EBADF is not tolerated`);
      if ("from" in value && !filled.has(value.from)) fault(`${value.from} is used before a step fills it`);
      if ("round" in value && !step.each) fault("round stands outside of each");
      if ("out" in value) filled.add(value.out);
      if ("clone" in value) filled.add(value.clone.pidfd);
    }
    if (step.each && step.each.last < step.each.first) fault("each ends before it begins");
    if (step.forks && (step.tolerate || step.each)) fault("a fork is done once and must succeed");
    if (step.save) slots.add(step.save);
    if (step.save && step.tolerate) unsure.add(step.save);
    else if (step.save) unsure.delete(step.save);
    if (step.tether && !tether) fault("a step of the tether stands before the fork");
    if (step.forks) tether = { slots: new Set(slots), filled: new Set(filled) };
  }
  if ((program.namespaces & OWN) !== OWN) found.push("a program has a pid and a mount namespace of its own");
  const forks = program.steps.filter((step: Step) => step.forks).length;
  if (forks !== 1) found.push(`a program forks once, not ${forks} times`);
  const last = program.steps.at(-1);
  if (last?.call !== "execve" || last.tolerate || last.tether)
    found.push("a program ends in an execve that tolerates nothing");
  return found;
}

/** The program itself; throws on a faulty one, which is always our own mistake. */
export function verify(program: Program): Program {
  const found = faults(program);
  if (found.length > 0) throw new Error(`a faulty program: ${found.join("; ")}`);
  return program;
}
