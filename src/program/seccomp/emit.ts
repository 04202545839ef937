/** From a graph of tests to instructions: an array of `struct sock_filter`, written from its end to its beginning. */
import { SOCK_FILTER_SIZE } from "#ffi/abi/bpf.ts";
import { BPF } from "#ffi/abi/seccomp.ts";
import type { Node, Test } from "./graph.ts";

/** How far a conditional jump reaches, less the two instructions that may have to come between. */
const REACH = 255 - 2;
const EVERY_BIT = 0xffff_ffff;

interface Instruction {
  readonly code: number;
  readonly constant: number;
  /** Instructions passed over. */
  readonly yes: number;
  readonly no: number;
}

/**
 * The instructions of a graph. Jumps only go forward, so that each node is written once its two ways are: where they
 * lie is known then, and one that is out of reach gets a step on the way (or, if it is an answer, a copy of it).
 */
export function emit(root: Node): Uint8Array {
  const { tests, held } = walk(root);
  /** The program from its end: the index of an instruction is how many come after it. */
  const code: Instruction[] = [];
  const place = new Map<Node, number>();

  const push = (operation: number, constant: number, yes = 0, no = 0): number =>
    code.push({ code: operation, constant, yes, no }) - 1;

  /** Sees to it that a node, or a step on the way to it, can be reached from the next instruction. */
  const reach = (node: Node): void => {
    const at = place.get(node);
    if (at !== undefined && code.length - at <= REACH) return;
    if ("answer" in node) place.set(node, push(BPF.RETURN, node.answer));
    else if (at !== undefined) place.set(node, push(BPF.JUMP, code.length - at - 1));
  };
  const distance = (node: Node): number => code.length - (place.get(node) as number) - 1;

  for (const test of tests) {
    reach(test.yes);
    reach(test.no);
    let at = push(test.jump, test.constant, distance(test.yes), distance(test.no));
    if (held.get(test) !== wordOf(test)) {
      if (test.mask !== EVERY_BIT) push(BPF.AND, test.mask);
      at = push(BPF.LOAD, test.load);
    }
    place.set(test, at);
  }
  if (tests.length === 0) reach(root);
  return bytesOf(code);
}

/** Which bits of which word are in the register when a test has been made. */
const wordOf = ({ load, mask }: Test): string => `${load} ${mask}`;

interface Walk {
  /** Every test behind the two that it leads to. */
  readonly tests: readonly Test[];
  /** For each test the word that is loaded already, whichever way leads to it; undefined where the ways differ. */
  readonly held: ReadonlyMap<Node, string | undefined>;
}

/** With a list of its own instead of recursion: a chain of conditions is as deep as it is long. */
function walk(root: Node): Walk {
  const held = new Map<Node, string | undefined>([[root, undefined]]);
  const tests: Test[] = [];
  const begun = new Set<Node>();
  const open: { readonly node: Node; readonly done: boolean }[] = [{ node: root, done: false }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, done } = next;
    if ("answer" in node) continue;
    if (done) tests.push(node);
    else if (!begun.has(node)) {
      begun.add(node);
      open.push({ node, done: true });
      const word = wordOf(node);
      for (const way of [node.no, node.yes]) {
        held.set(way, held.has(way) && held.get(way) !== word ? undefined : word);
        open.push({ node: way, done: false });
      }
    }
  }
  return { tests, held };
}

/** `struct sock_filter`: 16 bits of code, two jumps of 8 bits, 32 bits of constant. */
function bytesOf(code: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(code.length * SOCK_FILTER_SIZE);
  const view = new DataView(bytes.buffer);
  code.forEach((instruction, fromEnd) => {
    const at = (code.length - 1 - fromEnd) * SOCK_FILTER_SIZE;
    view.setUint16(at, instruction.code, true);
    view.setUint8(at + 2, instruction.yes);
    view.setUint8(at + 3, instruction.no);
    view.setUint32(at + 4, instruction.constant, true);
  });
  return bytes;
}
