// The growing run of bytes below both encoders.
import { expect, test } from "bun:test";
import { bytes, signed32 } from "#ffi/asm/bytes.ts";

function wordsOf(code: Uint8Array): number[] {
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  return Array.from({ length: code.length / 4 }, (_, index) => view.getInt32(index * 4, true));
}

test("bytes, halves, words and quads follow each other, little-endian", () => {
  const run = bytes();
  run.byte(1);
  run.half(0x0302);
  run.word(-2);
  run.quad(-3n);
  run.quad(0x1122_3344_5566_7788n);
  expect(Buffer.from(run.finish()).toString("hex")).toBe("010203fefffffffdffffffffffffff8877665544332211");
  expect(run.length).toBe(23);
});

test("a run grows beyond its first room without losing anything", () => {
  const run = bytes();
  for (let index = 0; index < 5000; index++) run.word(index);
  expect(wordsOf(run.finish())).toEqual(Array.from({ length: 5000 }, (_, index) => index));
});

test("branches are resolved at the end, against labels before and after them", () => {
  const run = bytes();
  run.label("start");
  run.branch(0, "end", (view, at, target) => view.setInt32(at, target, true));
  run.word(0);
  run.branch(4, "start", (view, at, target) => view.setInt32(at, target - at, true));
  run.word(0);
  run.label("end");
  expect(wordsOf(run.finish())).toEqual([8, -4]);
});

test("a missing label and one that is there twice are refused", () => {
  const run = bytes();
  run.label("here");
  expect(() => run.label("here")).toThrow("label here is there twice");
  run.branch(0, "there", () => {});
  expect(() => run.finish()).toThrow("no label there");
});

test("32 signed bits hold what they hold", () => {
  for (const value of [0, 1, -1, 0x7fff_ffff, -0x8000_0000]) expect(signed32(value)).toBe(value);
  for (const value of [0x8000_0000, -0x8000_0001, 0.5, Number.NaN, 2 ** 40])
    expect(() => signed32(value)).toThrow(`${value} does not fit into 32 signed bits`);
});
