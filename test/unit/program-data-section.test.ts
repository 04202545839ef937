// The data of a program: where things lie, and that pointers find them.
import { expect, test } from "bun:test";
import { dataSection } from "#program/data-section.ts";

const BASE = 0x2000_00f0;

/** The string that an address of the section points to. */
function stringAt(data: Uint8Array, address: bigint): string {
  const at = Number(address) - BASE;
  return new TextDecoder().decode(data.subarray(at, data.indexOf(0, at)));
}

const words = (data: Uint8Array, at: number, count: number): bigint[] =>
  Array.from({ length: count }, (_, index) => new DataView(data.buffer).getBigUint64(at + index * 8, true));

test("equal strings are stored once, different ones apart, each with its NUL", () => {
  const section = dataSection(BASE);
  const [tmp, empty, again, longer] = ["/tmp", "", "/tmp", "/tmp/x"].map((text) => section.text(text));
  expect(again).toBe(tmp ?? -1);
  expect(new Set([tmp, empty, longer]).size).toBe(3);
  const { data } = section.finish();
  expect(stringAt(data, BigInt(BASE + (tmp ?? 0)))).toBe("/tmp");
  expect(stringAt(data, BigInt(BASE + (empty ?? 0)))).toBe("");
  expect(stringAt(data, BigInt(BASE + (longer ?? 0)))).toBe("/tmp/x");
});

test("strings are UTF-8", () => {
  const section = dataSection(BASE);
  const at = section.text("über/☃");
  expect(stringAt(section.finish().data, BigInt(BASE + at))).toBe("über/☃");
});

test("structures lie at multiples of eight, whatever lies between them, and are copies apart", () => {
  const section = dataSection(BASE);
  const original = Uint8Array.of(1, 2, 3);
  const offsets: number[] = [];
  for (let index = 0; index < 20; index++) {
    section.text("x".repeat(index));
    offsets.push(section.bytes(original));
  }
  expect(BASE % 8).toBe(0);
  expect(offsets.filter((offset) => offset % 8 !== 0)).toEqual([]);
  expect(new Set(offsets).size).toBe(20);
  const { data } = section.finish();
  for (const offset of offsets) expect([...data.subarray(offset, offset + 3)]).toEqual([1, 2, 3]);
  data[offsets[0] ?? 0] = 9;
  expect(original[0]).toBe(1);
  expect(data[offsets[1] ?? 0]).toBe(1);
});

test("a list is the addresses of its strings and a NULL, and the same list is stored once", () => {
  const section = dataSection(BASE);
  section.text("odd");
  const list = ["make", "-j2", "make", ""];
  const at = section.vector(list);
  const [empty, again, equal] = [section.vector([]), section.vector(list), section.vector([...list])];
  expect(again).toBe(at);
  expect(equal).not.toBe(at);
  expect([at % 8, empty % 8]).toEqual([0, 0]);
  const { data } = section.finish();
  const addresses = words(data, at, 5);
  expect(addresses.slice(0, 4).map((address) => stringAt(data, address))).toEqual(list);
  expect(addresses[0]).toBe(addresses[2] ?? 0n);
  expect(addresses[4]).toBe(0n);
  expect(words(data, empty, 1)).toEqual([0n]);
});

test("slots are eight zeroed bytes of their own; the same name is the same slot", () => {
  const section = dataSection(BASE);
  const first = section.slot("root");
  section.bytes(new Uint8Array(100).fill(0xff));
  const second = section.slot("socket");
  expect(section.slot("root")).toBe(first);
  expect(Math.abs(second - first)).toBeGreaterThanOrEqual(8);
  expect([first % 8, second % 8]).toEqual([0, 0]);
  const { data } = section.finish();
  expect([words(data, first, 1), words(data, second, 1)]).toEqual([[0n], [0n]]);
});

test("one slot too many is refused", () => {
  const section = dataSection(BASE);
  for (let index = 0; index < 64; index++) section.slot(`slot ${index}`);
  expect(section.slot("slot 63")).toBe(63 * 8);
  expect(() => section.slot("one more")).toThrow("a program has room for 64 slots");
});

test("a pointer into a structure overwrites what stood there", () => {
  const section = dataSection(BASE);
  const at = section.bytes(new Uint8Array(16).fill(0xff));
  const slot = section.slot("answer");
  section.pointer(at + 8, slot);
  expect(words(section.finish().data, at, 2)).toEqual([0xffff_ffff_ffff_ffffn, BigInt(BASE + slot)]);
});

test("the whole is as long as what was put in, and nothing is left to be zeroed", () => {
  const section = dataSection(BASE);
  const at = section.bytes(new Uint8Array(5));
  expect(section.finish()).toMatchObject({ bss: 0, data: { length: at + 5 } });
});
