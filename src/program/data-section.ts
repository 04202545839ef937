/** The data of one program: strings, structures, pointers between them, and slots that the kernel or the code fills. */

/** Offsets count from the start of the section; equal strings, and a list that is used twice, are stored once. */
export interface DataSection {
  text(text: string): number;
  /** A copy of these bytes, aligned to 8 and writable. */
  bytes(bytes: Uint8Array): number;
  /** Addresses of strings and a NULL. */
  vector(texts: readonly string[]): number;
  /** Eight zeroed bytes with a name; the same name is the same place. */
  slot(name: string): number;
  /** Puts the address of `target` at `at`. */
  pointer(at: number, target: number): void;
  finish(): { data: Uint8Array; bss: number };
  /** A section that goes on from here, on its own. */
  fork(): DataSection;
}

/** Room for this many slots at the start of the section: their offsets are fixed before anything else is known. */
const SLOTS = 64;

interface Chunk {
  readonly at: number;
  readonly bytes: Uint8Array;
}

interface Pointer {
  readonly at: number;
  readonly target: number;
}

/** What a section has so far. */
interface Start {
  readonly chunks: readonly Chunk[];
  readonly texts: ReadonlyMap<string, number>;
  readonly slots: ReadonlyMap<string, number>;
  readonly pointers: readonly Pointer[];
  readonly length: number;
}

/** Starts an empty section that will lie at `base`. */
export function dataSection(base: number): DataSection {
  return section(base, { chunks: [], texts: new Map(), slots: new Map(), pointers: [], length: SLOTS * 8 });
}

function section(base: number, start: Start): DataSection {
  const chunks = [...start.chunks];
  const texts = new Map(start.texts);
  // By identity: each execve along PATH passes the same argv and envp, which may be a megabyte.
  const vectors = new Map<readonly string[], number>();
  const slots = new Map(start.slots);
  const pointers = [...start.pointers];
  let { length } = start;
  const place = (bytes: Uint8Array, alignment: number): number => {
    const at = (length + alignment - 1) & -alignment;
    chunks.push({ at, bytes });
    length = at + bytes.length;
    return at;
  };
  const joined = (): Uint8Array<ArrayBuffer> => {
    const data = new Uint8Array(length);
    for (const { at, bytes } of chunks) data.set(bytes, at);
    return data;
  };
  const own: DataSection = {
    text(text) {
      let at = texts.get(text);
      if (at === undefined) {
        at = place(Buffer.from(`${text}\0`), 1);
        texts.set(text, at);
      }
      return at;
    },
    bytes: (bytes) => place(bytes, 8),
    vector(list) {
      let at = vectors.get(list);
      if (at === undefined) {
        const table = place(new Uint8Array((list.length + 1) * 8), 8);
        vectors.set(list, table);
        list.forEach((text, index) => own.pointer(table + index * 8, own.text(text)));
        at = table;
      }
      return at;
    },
    slot(name) {
      let index = slots.get(name);
      if (index === undefined) {
        index = slots.size;
        if (index >= SLOTS) throw new RangeError(`a program has room for ${SLOTS} slots`);
        slots.set(name, index);
      }
      return index * 8;
    },
    pointer(at, target) {
      pointers.push({ at, target });
    },
    finish() {
      const data = joined();
      const view = new DataView(data.buffer);
      for (const { at, target } of pointers) view.setBigUint64(at, BigInt(base + target), true);
      return { data, bss: 0 };
    },
    fork: () => section(base, { chunks: [{ at: 0, bytes: joined() }], texts, slots, pointers, length }),
  };
  return own;
}
