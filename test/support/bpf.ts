/** The classic packet filter as the kernel has it for seccomp (net/core/filter.c, kernel/seccomp.c), to run programs without it. */
import { AUDIT_ARCH } from "#ffi/abi/audit.ts";
import { BPF, BPF_MAXINSNS, SECCOMP_DATA, SECCOMP_RET } from "#ffi/abi/seccomp.ts";
import { callName } from "#ffi/abi/syscall-numbers.ts";
import type { Architecture } from "#ffi/syscalls.ts";
import { type Action, type Filter, outcome } from "#program/seccomp/filter.ts";

/** A system call as a filter sees it. */
export interface Call {
  /** `AUDIT_ARCH_*` */
  readonly audit: number;
  readonly number: number;
  readonly args: readonly bigint[];
}

export const AUDIT: Readonly<Record<Architecture, number>> = {
  x86_64: AUDIT_ARCH.X86_64,
  aarch64: AUDIT_ARCH.AARCH64,
};

const JUMPS: readonly number[] = [BPF.JEQ, BPF.JGT, BPF.JGE, BPF.JSET];

/** What the kernel has against a program (`bpf_check_classic`, `seccomp_check_filter`); undefined where it takes it. */
export function refusal(program: Uint8Array): string | undefined {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const length = program.length / 8;
  if (!Number.isInteger(length) || length === 0 || length > BPF_MAXINSNS) return `${length} instructions`;
  for (let at = 0; at < length; at++) {
    const { code, yes, no, constant } = instruction(view, at);
    if (code === BPF.LOAD) {
      if (constant % 4 !== 0 || constant >= SECCOMP_DATA.size) return `${at}: loads from ${constant}`;
    } else if (code === BPF.JUMP) {
      if (at + 1 + constant >= length) return `${at}: jumps out`;
    } else if (JUMPS.includes(code)) {
      if (at + 1 + Math.max(yes, no) >= length) return `${at}: jumps out`;
    } else if (code !== BPF.AND && code !== BPF.RETURN) return `${at}: code ${code}`;
  }
  return instruction(view, length - 1).code === BPF.RETURN ? undefined : "does not end with an answer";
}

/** What a program answers (`SECCOMP_RET_*`), and after how many instructions. */
export function run(program: Uint8Array, call: Call): { answer: number; steps: number } {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const data = dataOf(call);
  let register = 0;
  let at = 0;
  for (let steps = 1; steps <= BPF_MAXINSNS; steps++) {
    const { code, yes, no, constant } = instruction(view, at);
    at += 1;
    if (code === BPF.RETURN) return { answer: constant, steps };
    if (code === BPF.LOAD) register = data.getUint32(constant, true);
    else if (code === BPF.AND) register = (register & constant) >>> 0;
    else if (code === BPF.JUMP) at += constant;
    else at += holds(code, register, constant) ? yes : no;
  }
  throw new Error("the program does not end");
}

function holds(code: number, register: number, constant: number): boolean {
  if (code === BPF.JEQ) return register === constant;
  if (code === BPF.JGT) return register > constant;
  if (code === BPF.JGE) return register >= constant;
  if (code === BPF.JSET) return (register & constant) !== 0;
  throw new Error(`no instruction has the code ${code}`);
}

function instruction(view: DataView, at: number) {
  return {
    code: view.getUint16(at * 8, true),
    yes: view.getUint8(at * 8 + 2),
    no: view.getUint8(at * 8 + 3),
    constant: view.getUint32(at * 8 + 4, true),
  };
}

function dataOf({ audit, number, args }: Call): DataView {
  const data = new DataView(new ArrayBuffer(SECCOMP_DATA.size));
  data.setUint32(SECCOMP_DATA.nr, number, true);
  data.setUint32(SECCOMP_DATA.arch, audit, true);
  args.forEach((value, index) => data.setBigUint64(SECCOMP_DATA.args + index * 8, value, true));
  return data;
}

/** What a filter's program has to answer, found without any program. */
export function expected(filter: Filter, architecture: Architecture, { audit, number, args }: Call): number {
  if (audit !== AUDIT[architecture]) return SECCOMP_RET.KILL_PROCESS;
  const x32 = architecture === "x86_64" && (number >= 0x4000_0000 || (number >= 512 && number <= 547));
  const kills = filter.default === "KILL_PROCESS" || filter.default === "KILL_THREAD";
  if (x32 && !kills) return SECCOMP_RET.ERRNO | 38;
  return answerOf(outcome(filter, callName(number, architecture), args));
}

export function answerOf(action: Action): number {
  return typeof action === "string" ? SECCOMP_RET[action] : SECCOMP_RET.ERRNO | action.errno;
}
