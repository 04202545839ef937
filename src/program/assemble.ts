/** From a program to the tether: straight-line code for its steps, then the few loops that keep the workload. */
import { cloneArgs, CLONE_ARGS } from "#ffi/abi/clone.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { LAST_DESCRIPTOR } from "#ffi/abi/close-range.ts";
import { O } from "#ffi/abi/fcntl.ts";
import { RUSAGE_CHILDREN } from "#ffi/abi/resource.ts";
import { SIG, SIGSET_SIZE } from "#ffi/abi/signal.ts";
import { SOCK_FILTER_SIZE, SOCK_FPROG } from "#ffi/abi/bpf.ts";
import { CMSG, messageHeader, MSGHDR, rightsMessage } from "#ffi/abi/message.ts";
import { CLOCK } from "#ffi/abi/time.ts";
import { CLD, P, SIGINFO, W } from "#ffi/abi/wait.ts";
import { aarch64 } from "#ffi/asm/aarch64.ts";
import { type Assembler, DATA_BASE, type Operand } from "#ffi/asm/assembler.ts";
import { elf } from "#ffi/asm/elf.ts";
import { x86_64 } from "#ffi/asm/x86_64.ts";
import { type Architecture, type CallName, SYSCALLS } from "#ffi/syscalls.ts";
import { dataSection, type DataSection } from "./data-section.ts";
import { TETHER_FD } from "./descriptors.ts";
import { compile } from "./seccomp/compile.ts";
import { MESSAGE, MESSAGE_KIND, RECORD, RECORD_MAGIC, RECORD_VERSION } from "./report.ts";
import type { Program, Step, Value } from "./step.ts";

const ASSEMBLERS: Readonly<Record<Architecture, () => Assembler>> = { x86_64, aarch64 };

/**
 * Lets a tether leave that has said `ended`; sent earlier it is forgotten. Real-time, so that each one queues: a job
 * that floods PID 1 with ordinary signals cannot swallow it (signal(7)).
 */
export const RELEASE_SIGNAL = 40;
/** Status of a process that could not become the workload: tele itself failed (as in env(1), docker-run(1)). */
const EXIT_NOT_STARTED = 125;

/** A tether under way. */
interface Begun {
  readonly asm: Assembler;
  readonly data: DataSection;
  /** Where the message lies that the tether sends. */
  readonly message: number;
}

/** What was made of shared steps: most of a tether is the same for every job of a host. */
const begun: Readonly<Record<Architecture, WeakMap<readonly Step[], Begun>>> = {
  x86_64: new WeakMap(),
  aarch64: new WeakMap(),
};

/** The tether of a verified program: a static ELF executable. */
export function assemble(program: Program, architecture: Architecture): Uint8Array {
  // Looked at step by step: a program in which one was exchanged shares nothing.
  const same = program.shared?.every((step, index) => step === program.steps[index]);
  const shared = (same && program.shared) || [];
  const { asm, data, message } = forked(shared, architecture);
  const call = (name: CallName, ...operands: Operand[]): void => asm.syscall(SYSCALLS[name][architecture], operands);
  const emit = (tether: boolean): void => {
    for (let index = shared.length; index < program.steps.length; index++) {
      const step = program.steps[index] as Step;
      if ((step.tether ?? false) === tether) emitStep({ asm, data, message }, step, index);
    }
  };
  emit(false);

  // Here from a failed step, in the tether or in its child: report and go.
  asm.label("failed");
  asm.store(message + MESSAGE.answer);
  call("write", immediate(TETHER_FD.report), address(message), immediate(MESSAGE.size));
  call("exit_group", immediate(EXIT_NOT_STARTED));
  // A filter that a job brought may refuse even that; what follows is the tether's.
  asm.trap();

  asm.label("keep");
  emit(true);
  keep(asm, data, call, message, program.keeper);
  const code = asm.finish();
  return elf({ architecture, code, ...data.finish() });
}

function forked(shared: readonly Step[], architecture: Architecture): Begun {
  let start = begun[architecture].get(shared);
  if (!start) {
    const data = dataSection(DATA_BASE);
    start = { asm: ASSEMBLERS[architecture](), data, message: data.bytes(new Uint8Array(MESSAGE.size)) };
    start.asm.set(start.message + MESSAGE.kind, MESSAGE_KIND.failed);
    for (const [index, step] of shared.entries()) emitStep(start, step, index);
    begun[architecture].set(shared, start);
  }
  return { asm: start.asm.fork(), data: start.data.fork(), message: start.message };
}

function emitStep({ asm, data, message }: Begun, step: Step, index: number): void {
  // The message always names the step under way, so a failure has but to send it.
  asm.set(message + MESSAGE.step, index);
  const round = step.each ? data.slot(`round ${index}`) : undefined;
  if (step.each && round !== undefined) {
    asm.set(round, step.each.first);
    asm.label(`again ${index}`);
  }
  // Tolerated, it leaves no descriptor behind: what uses it fails with EBADF.
  if (step.save && step.tolerate) asm.set(data.slot(`slot ${step.save}`), -1);
  const operands = step.args.map((value) => operand(asm, data, value, round));
  asm.syscall(SYSCALLS[step.call][asm.architecture], operands);
  for (const errno of step.tolerate ?? []) {
    asm.compare(-ERRNO[errno]);
    asm.branch("equal", `next ${index}`);
  }
  asm.compare(0);
  asm.branch("less", "failed");
  if (step.forks) {
    asm.store(data.slot("main"));
    asm.branch("notEqual", "keep");
  }
  if (step.save) asm.store(data.slot(`slot ${step.save}`));
  if (step.tolerate) asm.label(`next ${index}`);
  if (step.each && round !== undefined) {
    asm.load(round, 64);
    asm.add(1);
    asm.store(round);
    asm.compare(step.each.last + 1);
    asm.branch("less", `again ${index}`);
  }
}

/**
 * The rest of the tether's life. It closes what is the workload's, says that the workload runs, and reaps every
 * orphan. When the main process is gone it kills whatever is left in its pid namespace, writes the exit record and
 * says so. It leaves only when told: until a daemon has read the last byte, the pipes that it holds keep it.
 */
function keep(
  asm: Assembler,
  data: DataSection,
  call: (name: CallName, ...operands: Operand[]) => void,
  message: number,
  keeper: Program["keeper"],
): void {
  const main = data.slot("main");
  const record = data.bytes(emptyRecord());
  const info = record + RECORD.info;
  const word = data.slot("word");
  const release = data.bytes(new Uint8Array(BigUint64Array.of(1n << BigInt(RELEASE_SIGNAL - 1)).buffer));
  const everySignal = data.bytes(new Uint8Array(SIGSET_SIZE).fill(0xff));
  const noTime = data.bytes(new Uint8Array(16));
  const sender = data.bytes(new Uint8Array(SIGINFO.size));
  const say = (kind: number): void => {
    asm.set(message + MESSAGE.kind, kind);
    call("write", immediate(TETHER_FD.report), address(message), immediate(MESSAGE.size));
  };

  call("close_range", immediate(TETHER_FD.stdin), immediate(TETHER_FD.stderr), immediate(0));
  call("dup3", { kind: "value", offset: data.slot("out main-pidfd") }, immediate(TETHER_FD.main), immediate(O.CLOEXEC));
  // Without a daemon no pipe is kept there, and what the steps have opened took these numbers: the old root among them.
  if (keeper === "parent")
    call("close_range", immediate(TETHER_FD.stdoutRead), immediate(TETHER_FD.reportRead), immediate(0));
  call("close_range", immediate(TETHER_FD.begunWrite), immediate(LAST_DESCRIPTOR), immediate(0));
  // End of file: the workload's execve has closed its end, or it has reported its failure and is gone.
  call("read", immediate(TETHER_FD.begunRead), address(word), immediate(1));
  call("clock_gettime", immediate(CLOCK.REALTIME), address(record + RECORD.start));
  call("close_range", immediate(TETHER_FD.go), immediate(TETHER_FD.begunRead), immediate(0));
  say(MESSAGE_KIND.started);

  asm.label("reap");
  call("waitid", immediate(P.ALL), immediate(0), address(info), immediate(W.EXITED | W.ALL), immediate(0));
  asm.load(info + SIGINFO.pid, 32);
  asm.compareWith(main);
  asm.branch("notEqual", "reap");

  call("clock_gettime", immediate(CLOCK.REALTIME), address(record + RECORD.end));
  // Everybody in the namespace but us, forks under way included (kill(2)). In a namespace that is not ours it would be
  // the host, so it is asked first whether we are its PID 1.
  call("getpid");
  asm.compare(1);
  asm.branch("notEqual", "drain");
  call("kill", immediate(-1), immediate(SIG.KILL));
  asm.label("drain");
  call("waitid", immediate(P.ALL), immediate(0), immediate(0), immediate(W.EXITED | W.ALL), immediate(0));
  asm.compare(0);
  asm.branch("equal", "drain"); // until ECHILD

  // Whatever the job sent to us goes, now that nobody is left to send more: where a flood has used up the user's
  // RLIMIT_SIGPENDING, the kernel delivers a kill(2) without its sender, which then looks like one from outside
  // (kernel/signal.c, collect_signal).
  asm.label("forget");
  call("rt_sigtimedwait", address(everySignal), immediate(0), address(noTime), immediate(SIGSET_SIZE));
  asm.compare(0);
  asm.branch("less", "forgotten");
  asm.branch("always", "forget");
  asm.label("forgotten");

  call("getrusage", immediate(RUSAGE_CHILDREN), address(record + RECORD.usage));
  call("pwrite64", immediate(TETHER_FD.record), address(record), immediate(RECORD.size), immediate(0));
  say(MESSAGE_KIND.ended);
  if (keeper === "parent") asm.branch("always", "released");

  // Released by a signal from outside of the namespace alone: its sender has no pid here, and SI_USER (0) cannot be
  // forged with rt_sigqueueinfo(2).
  asm.label("held");
  call("rt_sigtimedwait", address(release), address(sender), immediate(0), immediate(SIGSET_SIZE));
  asm.compare(RELEASE_SIGNAL);
  asm.branch("notEqual", "held");
  asm.load(sender + SIGINFO.pid, 32);
  asm.compare(0);
  asm.branch("notEqual", "held");
  asm.load(sender + SIGINFO.code, 32);
  asm.compare(0);
  asm.branch("notEqual", "held");

  asm.label("released");
  asm.load(info + SIGINFO.status, 32);
  asm.store(word);
  asm.load(info + SIGINFO.code, 32);
  asm.compare(CLD.EXITED);
  asm.branch("equal", "leave");
  asm.load(word, 64);
  asm.add(128);
  asm.store(word);
  asm.label("leave");
  call("exit_group", { kind: "value", offset: word });
}

function operand(asm: Assembler, data: DataSection, value: Value, round: number | undefined): Operand {
  if (typeof value === "number") return immediate(value);
  if (typeof value === "string") return address(data.text(value));
  if (value instanceof Uint8Array) return address(data.bytes(value));
  if ("patched" in value) {
    // The answer goes in as 64 bits, whatever lies behind it: padding of ours.
    const padded = new Uint8Array(Math.max(value.patched.length, value.at + 8));
    padded.set(value.patched);
    const at = data.bytes(padded);
    asm.load(data.slot(`slot ${value.slot}`), 64);
    asm.store(at + value.at);
    return address(at);
  }
  if ("slot" in value) return { kind: "value", offset: data.slot(`slot ${value.slot}`) };
  if ("out" in value) return address(data.slot(`out ${value.out}`));
  if ("from" in value) {
    const offset = data.slot(`out ${value.from}`);
    return value.half === undefined ? { kind: "value", offset } : { kind: "half", offset: offset + value.half * 4 };
  }
  if ("passing" in value) return address(passingMessage(asm, data, data.slot(`slot ${value.passing}`)));
  if ("filter" in value) {
    const instructions = compile(value.filter, asm.architecture);
    const program = data.bytes(sockFprog(instructions.length / SOCK_FILTER_SIZE));
    data.pointer(program + SOCK_FPROG.filter, data.bytes(instructions));
    return address(program);
  }
  // On the stack lie argc, the tether's own name, and from there on what it was passed.
  if ("vector" in value) return value.passed ? { kind: "stack", offset: 16 } : address(data.vector(value.vector));
  if ("round" in value) return { kind: "value", offset: round ?? 0 };
  const { flags, exitSignal, pidfd, cgroup } = value.clone;
  const at = data.bytes(cloneArgs({ flags, exit_signal: exitSignal, cgroup: cgroup ?? 0 }));
  data.pointer(at + CLONE_ARGS.pidfd, data.slot(`out ${pidfd}`));
  return address(at);
}

function emptyRecord(): Uint8Array {
  const bytes = new Uint8Array(RECORD.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(RECORD.magic, RECORD_MAGIC, true);
  view.setUint32(RECORD.version, RECORD_VERSION, true);
  return bytes;
}

/** Offset of a `struct msghdr` whose control message holds the descriptor in the slot. */
function passingMessage(asm: Assembler, data: DataSection, slot: number): number {
  const byte = data.bytes(new Uint8Array(8));
  const vector = data.bytes(new Uint8Array(BigUint64Array.of(0n, 1n).buffer));
  data.pointer(vector, byte);
  const control = data.bytes(rightsMessage());
  asm.load(slot, 64);
  asm.store(control + CMSG.data);
  const header = data.bytes(messageHeader({ vectors: 1, control: CMSG.size }));
  data.pointer(header + MSGHDR.iov, vector);
  data.pointer(header + MSGHDR.control, control);
  return header;
}

/** `struct sock_fprog` but its pointer. */
function sockFprog(length: number): Uint8Array {
  const bytes = new Uint8Array(SOCK_FPROG.size);
  new DataView(bytes.buffer).setUint16(SOCK_FPROG.len, length, true);
  return bytes;
}

const immediate = (value: number): Operand => ({ kind: "immediate", value });
const address = (offset: number): Operand => ({ kind: "address", offset });
