/** A filter between its rules and its bytes: a graph of tests that ends in answers. Equal parts are one part. */
import { BPF, SECCOMP_DATA } from "#ffi/abi/seccomp.ts";
import type { Condition } from "./filter.ts";

/** The end: what the kernel is answered (`SECCOMP_RET_*`). */
export interface Leaf {
  readonly answer: number;
}

/** One word of `struct seccomp_data` against a constant. */
export interface Test {
  /** Offset of the word, and the bits of it that count. */
  readonly load: number;
  readonly mask: number;
  /** `BPF.JEQ` and its like. */
  readonly jump: number;
  readonly constant: number;
  readonly yes: Node;
  readonly no: Node;
}

export type Node = Leaf | Test;

/** From this number on, a node answers. */
export interface Segment {
  readonly from: number;
  readonly node: Node;
}

const EVERY_BIT = 0xffff_ffff;

/** Makes the nodes of one graph. */
export interface Builder {
  /** How many nodes there are. */
  size(): number;
  leaf(answer: number): Leaf;
  /** `yes` where the condition holds, else `no`. */
  condition(condition: Condition, yes: Node, no: Node): Node;
  /** The node of the segment that the call's number lies in; segments are in order and the first begins at 0. */
  search(segments: readonly Segment[]): Node;
  /** Whether the call counts in these numbers (`AUDIT_ARCH_*`). */
  architecture(audit: number, yes: Node, no: Node): Node;
}

/** A builder with no node yet. */
export function graphBuilder(): Builder {
  const leaves = new Map<number, Leaf>();
  const tests = new Map<string, Test>();
  const numbers = new Map<Node, number>();

  const numbered = <T extends Node>(node: T): T => {
    numbers.set(node, numbers.size);
    return node;
  };

  const leaf = (answer: number): Leaf => {
    let node = leaves.get(answer);
    if (!node) {
      node = numbered({ answer });
      leaves.set(answer, node);
    }
    return node;
  };

  const test = (load: number, mask: number, jump: number, constant: number, yes: Node, no: Node): Node => {
    if (yes === no) return yes;
    const key = `${load} ${mask} ${jump} ${constant} ${numbers.get(yes)} ${numbers.get(no)}`;
    let node = tests.get(key);
    if (!node) {
      node = numbered({ load, mask, jump, constant, yes, no });
      tests.set(key, node);
    }
    return node;
  };

  /** `(word & mask) == value`. */
  const equal = (load: number, mask: number, value: number, yes: Node, no: Node): Node => {
    if ((value & ~mask) !== 0) return no;
    if (mask === 0) return yes;
    if (mask !== EVERY_BIT && value === 0) return test(load, EVERY_BIT, BPF.JSET, mask, no, yes);
    return test(load, mask, BPF.JEQ, value, yes, no);
  };

  /** `(argument & mask) > value`, or `>=`: the high words decide unless they are the same. */
  const above = (condition: Condition, jump: number, yes: Node, no: Node): Node => {
    const { low, high } = words(condition);
    const lower =
      low.mask === 0
        ? jump === BPF.JGE && low.value === 0
          ? yes
          : no
        : test(low.load, low.mask, jump, low.value, yes, no);
    if (high.mask === 0) return high.value === 0 ? lower : no;
    const same = equal(high.load, high.mask, high.value, lower, no);
    return test(high.load, high.mask, BPF.JGT, high.value, yes, same);
  };

  const condition = (one: Condition, yes: Node, no: Node): Node => {
    const { low, high } = words(one);
    switch (one.op) {
      case "==":
        return equal(high.load, high.mask, high.value, equal(low.load, low.mask, low.value, yes, no), no);
      case "!=":
        return equal(high.load, high.mask, high.value, equal(low.load, low.mask, low.value, no, yes), yes);
      case ">":
        return above(one, BPF.JGT, yes, no);
      case ">=":
        return above(one, BPF.JGE, yes, no);
      case "<=":
        return above(one, BPF.JGT, no, yes);
      case "<":
        return above(one, BPF.JGE, no, yes);
    }
  };

  const number = (jump: number, constant: number, yes: Node, no: Node): Node =>
    test(SECCOMP_DATA.nr, EVERY_BIT, jump, constant, yes, no);

  const between = (segments: readonly Segment[], first: number, last: number): Node => {
    const at = (index: number): Segment => segments[index] as Segment;
    if (first === last) return at(first).node;
    if (last - first === 2 && at(first).node === at(last).node && at(last).from - at(first + 1).from === 1)
      return number(BPF.JEQ, at(first + 1).from, at(first + 1).node, at(first).node);
    // An odd count on the left, so that a call between two of another kind is one test and not two.
    const middle = first + (((last - first + 1) >> 1) | 1);
    return number(BPF.JGE, at(middle).from, between(segments, middle, last), between(segments, first, middle - 1));
  };

  return {
    size: () => numbers.size,
    leaf,
    condition,
    search: (segments) => between(segments, 0, segments.length - 1),
    architecture: (audit, yes, no) => test(SECCOMP_DATA.arch, EVERY_BIT, BPF.JEQ, audit, yes, no),
  };
}

interface Word {
  readonly load: number;
  readonly mask: number;
  readonly value: number;
}

/** A condition on 64 bits as its two words; both machines are little-endian. */
function words({ arg, value, mask = 0xffff_ffff_ffff_ffffn }: Condition): { low: Word; high: Word } {
  const load = SECCOMP_DATA.args + arg * 8;
  const word = (at: number, shift: bigint): Word => ({
    load: load + at,
    mask: Number((mask >> shift) & 0xffff_ffffn),
    value: Number((value >> shift) & 0xffff_ffffn),
  });
  return { low: word(0, 0n), high: word(4, 32n) };
}
