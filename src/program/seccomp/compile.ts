/** From a filter to the program that the kernel runs at each call (seccomp(2)). */
import { TeleError } from "#errors";
import { SOCK_FILTER_SIZE } from "#ffi/abi/bpf.ts";
import { AUDIT_ARCH } from "#ffi/abi/audit.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { BPF_MAXINSNS, SECCOMP_RET } from "#ffi/abi/seccomp.ts";
import { callNumber, isCall } from "#ffi/abi/syscall-numbers.ts";
import type { Architecture } from "#ffi/syscalls.ts";
import { emit } from "./emit.ts";
import { type Action, type Filter, type Rule, rulesByCall } from "./filter.ts";
import { PRECOMPILED } from "./precompiled.ts";
import { type Builder, graphBuilder, type Node, type Segment } from "./graph.ts";

const AUDIT: Readonly<Record<Architecture, number>> = { x86_64: AUDIT_ARCH.X86_64, aarch64: AUDIT_ARCH.AARCH64 };

/** `__X32_SYSCALL_BIT`: x32 counts in the numbers of x86_64 with this bit set (asm/unistd.h). */
const X32_BIT = 0x4000_0000;
/** Calls of x32 alone; before Linux 5.4 they could be made without the bit too. */
const X32_ONLY = { first: 512, last: 547 } as const;

/** By identity: a filter that was made of another one is another one. */
const names = new WeakMap<Filter, string>();
const compiled: Readonly<Record<Architecture, WeakMap<Filter, Uint8Array>>> = {
  x86_64: new WeakMap(),
  aarch64: new WeakMap(),
};

/**
 * An array of `struct sock_filter`, the same one for the same filter; not to be written to. Calls that count in another
 * architecture's numbers (i386, 32-bit arm) kill the process, those of x32 are unknown. Throws INVALID_ARGUMENT for
 * calls that no machine has, all of them at once, and for a program that is too long for the kernel.
 *
 * The number is looked at before any argument: so the kernel sees that a call is always allowed, and does not run the
 * program for it at all (seccomp_cache_prepare, Linux 5.11).
 */
export function compile(filter: Filter, architecture: Architecture): Uint8Array {
  let program = compiled[architecture].get(filter);
  if (!program) {
    const text = PRECOMPILED[names.get(filter) ?? ""]?.[architecture];
    program = text === undefined ? compileAnew(filter, architecture) : new Uint8Array(Buffer.from(text, "base64"));
    compiled[architecture].set(filter, program);
  }
  return program;
}

/** Says under which name of `precompiled.ts` a filter's program may be. Returns the filter. */
export function precompiledAs(filter: Filter, name: string): Filter {
  names.set(filter, name);
  return filter;
}

/** `compile` without the programs that are kept. */
export function compileAnew(filter: Filter, architecture: Architecture): Uint8Array {
  const unknown = unknownCalls(filter);
  if (unknown.length > 0) {
    const [is, calls] = unknown.length === 1 ? ["is", "call"] : ["are", "calls"];
    throw new TeleError("INVALID_ARGUMENT", {
      detail: `there ${is} no system ${calls} ${unknown.join(", ")}`,
      hint: "names are as in syscalls(2)",
    });
  }
  const program = emit(graphOf(filter, architecture));
  const length = program.length / SOCK_FILTER_SIZE;
  if (length > BPF_MAXINSNS) throw tooLong(length);
  return program;
}

function tooLong(length: number): TeleError {
  return new TeleError("INVALID_ARGUMENT", {
    detail: `the filter needs ${length} instructions; the kernel takes ${BPF_MAXINSNS}`,
    hint: "compare fewer arguments",
  });
}

/** Names that are a call's on no machine, each once. */
export function unknownCalls(filter: Filter): string[] {
  return [...rulesByCall(filter).keys()].filter((name) => !isCall(name));
}

function graphOf(filter: Filter, architecture: Architecture): Node {
  const graph = graphBuilder();
  const otherwise = graph.leaf(answerOf(filter.default));
  const nodes = new Map<number, Node>();
  for (const [name, rules] of rulesByCall(filter)) {
    const number = callNumber(name, architecture);
    if (number !== undefined) nodes.set(number, nodeOf(graph, rules, otherwise));
    // A thousand rules for each of four hundred calls would fill the memory before they are counted.
    if (graph.size() > 4 * BPF_MAXINSNS) throw tooLong(graph.size());
  }
  const segments = segmentsOf(nodes, otherwise);
  if (architecture === "x86_64") {
    // What kills at every other unknown call does so at these too.
    const closed = deadly(filter.default) ? otherwise : graph.leaf(SECCOMP_RET.ERRNO | ERRNO.ENOSYS);
    add(segments, X32_ONLY.first, closed);
    add(segments, X32_ONLY.last + 1, otherwise);
    add(segments, X32_BIT, closed);
  }
  return graph.architecture(AUDIT[architecture], graph.search(segments), graph.leaf(SECCOMP_RET.KILL_PROCESS));
}

function nodeOf(graph: Builder, rules: readonly Rule[], otherwise: Node): Node {
  return rules.reduceRight(
    (next, { action, args = [] }) =>
      args.reduceRight<Node>((met, condition) => graph.condition(condition, met, next), graph.leaf(answerOf(action))),
    otherwise,
  );
}

/** Numbers in order, neighbours of one kind together. */
function segmentsOf(nodes: ReadonlyMap<number, Node>, otherwise: Node): Segment[] {
  const segments: Segment[] = [{ from: 0, node: otherwise }];
  for (const number of [...nodes.keys()].sort((one, other) => one - other)) {
    add(segments, number, nodes.get(number) as Node);
    add(segments, number + 1, otherwise);
  }
  return segments;
}

/** Puts a segment at the end; one that begins where the last does takes its place. */
function add(segments: Segment[], from: number, node: Node): void {
  if (segments.at(-1)?.from === from) segments.pop();
  if (segments.at(-1)?.node !== node) segments.push({ from, node });
}

function deadly(action: Action): boolean {
  return action === "KILL_PROCESS" || action === "KILL_THREAD";
}

function answerOf(action: Action): number {
  return typeof action === "string" ? SECCOMP_RET[action] : SECCOMP_RET.ERRNO | action.errno;
}
