/** A growing run of bytes with branches to resolve: what both encoders share. */

interface Branch {
  readonly at: number;
  readonly label: string;
  readonly resolve: (bytes: DataView, at: number, target: number) => void;
}

export interface Bytes {
  readonly length: number;
  byte(value: number): void;
  /** Little-endian. */
  half(value: number): void;
  word(value: number): void;
  quad(value: bigint): void;
  label(name: string): void;
  /** Remembers that the bytes at `at` depend on where `label` is. */
  branch(at: number, label: string, resolve: Branch["resolve"]): void;
  finish(): Uint8Array;
  /** A run that goes on from here, on its own. */
  fork(): Bytes;
}

/** More than a program of ordinary length takes; a longer one makes it grow. */
const FIRST_SIZE = 16 * 1024;

/** What a run has so far. */
interface Start {
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly length: number;
  readonly labels: ReadonlyMap<string, number>;
  readonly branches: readonly Branch[];
}

/** Starts an empty run. */
export function bytes(): Bytes {
  return run({ buffer: new Uint8Array(FIRST_SIZE), length: 0, labels: new Map(), branches: [] });
}

function run(start: Start): Bytes {
  let { buffer, length } = start;
  let view = new DataView(buffer.buffer);
  const labels = new Map(start.labels);
  const branches = [...start.branches];
  const reserve = (): void => {
    if (length + 8 <= buffer.length) return;
    const larger = new Uint8Array(buffer.length * 2);
    larger.set(buffer);
    buffer = larger;
    view = new DataView(buffer.buffer);
  };
  return {
    get length() {
      return length;
    },
    byte(value) {
      reserve();
      buffer[length] = value;
      length += 1;
    },
    half(value) {
      reserve();
      view.setUint16(length, value, true);
      length += 2;
    },
    word(value) {
      reserve();
      view.setInt32(length, value, true);
      length += 4;
    },
    quad(value) {
      reserve();
      view.setBigInt64(length, value, true);
      length += 8;
    },
    label(name) {
      if (labels.has(name)) throw new Error(`label ${name} is there twice`);
      labels.set(name, length);
    },
    branch(at, label, resolve) {
      branches.push({ at, label, resolve });
    },
    finish() {
      for (const { at, label, resolve } of branches) {
        const target = labels.get(label);
        if (target === undefined) throw new Error(`no label ${label}`);
        resolve(view, at, target);
      }
      return buffer.subarray(0, length);
    },
    fork: () => run({ buffer: buffer.slice(), length, labels, branches }),
  };
}

/** The value itself; throws RangeError where 32 signed bits do not hold it, the most that x86_64 takes in most places. */
export function signed32(value: number): number {
  if (value !== (value | 0)) throw new RangeError(`${value} does not fit into 32 signed bits`);
  return value;
}
