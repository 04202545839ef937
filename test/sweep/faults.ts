/** Programs with one step exchanged: it fails, or it never comes back. */
import type { ErrnoName } from "#ffi/abi/errno.ts";
import { hostArchitecture, SYSCALLS } from "#ffi/syscalls.ts";
import type { Program, Step } from "#program/step.ts";

/** Calls that fail for sure, whoever makes them under whatever filter, and how. */
const FAILURES: readonly { readonly errno: ErrnoName; readonly call: Pick<Step, "call" | "args"> }[] = [
  { errno: "EBADF", call: { call: "close", args: [-1] } },
  { errno: "EINVAL", call: { call: "dup3", args: [0, 0, 0] } },
  // A pid that no kernel gives (PID_MAX_LIMIT, proc(5)).
  { errno: "ESRCH", call: { call: "kill", args: [0x3fff_ffff, 0] } },
];

/** The program whose step fails, and with what. */
export function failing(program: Program, index: number): { program: Program; errno: ErrnoName } {
  const { call, args = [] } = program.steps[index] ?? {};
  // Until its listener is handed over, a filter that asks about every call lets this one through alone.
  if (call === "sendmsg")
    return { program: exchanged(program, index, { call, args: args.with(1, 0) }), errno: "EFAULT" };
  const failure = FAILURES.find(({ errno }) => !program.steps[index]?.tolerate?.includes(errno));
  if (!failure) throw new Error(`${program.steps[index]?.label} tolerates everything`);
  return { program: exchanged(program, index, failure.call), errno: failure.errno };
}

/** Where nothing binds a tether to its parent: a step later it asks by itself whether that is still there. */
export const UNBOUND = "parent.bind-again";
/** `struct timespec`: so long it waits there, in which its launcher is killed. */
const A_WHILE = new Uint8Array(BigInt64Array.of(2n, 0n).buffer);

/** The program whose step waits for nothing, forever. */
export function hanging(program: Program, index: number): Program {
  const time = program.steps[index]?.label === UNBOUND ? A_WHILE : 0;
  return exchanged(program, index, { call: "ppoll", args: [0, 0, time, 0, 0] });
}

/** How such a wait looks in /proc/PID/syscall (proc(5)): the call's number, its arguments; no program of ours waits so. */
export const HANGS = new RegExp(`^${SYSCALLS.ppoll[hostArchitecture()]} 0x0 0x0 0x[0-9a-f]+ 0x0 0x0 `);

/**
 * All else of the step stays: what it keeps and tolerates, its rounds, and whose it is. Where a command is looked for,
 * it is in none of the places before, so that the step is come to.
 */
function exchanged(program: Program, index: number, call: Pick<Step, "call" | "args">): Program {
  const steps = program.steps.map((step, at) => {
    if (at === index) return { ...step, ...call };
    return at < index && step.call === "execve" ? { ...step, args: ["/nowhere", ...step.args.slice(1)] } : step;
  });
  return { ...program, steps };
}

/** Steps that are swept in any case. */
const ALWAYS = /^(?:guard|map|pivot|parent)\./;

/** Indices of the steps to sweep: all, or with SWEEP=short each seventh and all on which most depends. */
export function swept(program: Program): number[] {
  const short = process.env["SWEEP"] === "short";
  return program.steps.flatMap(({ label, forks }, index) =>
    !short || index % 7 === 0 || forks || ALWAYS.test(label) ? [index] : [],
  );
}
