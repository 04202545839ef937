/** The main thread's side of the pump. */
import { MessageChannel, Worker } from "node:worker_threads";
import { TeleError } from "#errors";
import { call, must, scratch } from "#ffi/call.ts";
import { O } from "#ffi/abi/fcntl.ts";
import { type Carry, type Command, type Launch, type PumpEvent, SLOT, SLOTS } from "./protocol.ts";

/** Told about one job, on the main thread, in the order in which things happened. */
export type PumpListener = (event: PumpEvent) => void;

export interface Pump {
  /** Hands a running job's descriptors over and gives its slot. Throws RESOURCE_EXHAUSTED when every slot is taken. */
  carry(job: Omit<Carry, "kind" | "slot">, listener: PumpListener): number;
  /** Starts a job and carries it: `launched` or `refused` comes first. */
  launch(job: Omit<Launch, "kind" | "slot">, listener: PumpListener): number;
  /** Lets go of a job: what its pipes hold is read, then `ended` comes. */
  finish(slot: number): void;
  /** Bytes and records that are complete in the files now; asks to be told of the next growth. */
  sizes(slot: number): { size: number; records: number };
  /** Ends the thread. Jobs go on: their tethers hold the pipes. */
  close(): Promise<void>;
}

/** Starts the pump's thread. `failed` is called if it dies, which it should never. */
export function startPump(failed: (error: Error) => void): Pump {
  const sizes = new SharedArrayBuffer(SLOTS * SLOT.length * 8);
  const shared = new BigInt64Array(sizes);
  const listeners = new Map<number, PumpListener>();
  // Slots go round, so that a late event of a job that ended cannot meet the next one in its slot.
  let nextSlot = 0;
  const wake = must("eventfd2", 0, O.CLOEXEC | O.NONBLOCK);
  const one = scratch(8);
  const oneAddress = one.bytes(new Uint8Array(BigUint64Array.of(1n).buffer));
  const { port1, port2 } = new MessageChannel();
  const compiled = import.meta.url.startsWith("file:///$bunfs/");
  const worker = new Worker(
    new URL(compiled ? "/$bunfs/root/runtime/pump/worker.ts" : "./worker.ts", import.meta.url),
    {
      workerData: { port: port2, sizes, wake },
      transferList: [port2],
    },
  );
  let closing = false;
  worker.on("error", failed);
  worker.on("exit", () => {
    if (!closing) failed(new Error("the pump's thread ended"));
  });
  port1.on("message", (event: PumpEvent) => {
    const listener = listeners.get(event.slot);
    if (event.kind === "ended" || event.kind === "refused") listeners.delete(event.slot);
    listener?.(event);
  });

  function send(command: Command): void {
    port1.postMessage(command);
    call("write", wake, oneAddress, 8);
  }

  /** A slot nobody has, with its sizes set. */
  function take({ size, records }: { size: number; records: number }, listener: PumpListener): number {
    if (listeners.size >= SLOTS - 1) {
      throw new TeleError("RESOURCE_EXHAUSTED", {
        detail: `this server runs at most ${SLOTS - 1} jobs at once`,
        hint: "wait until some have ended",
      });
    }
    do nextSlot = (nextSlot + 1) % SLOTS;
    while (listeners.has(nextSlot));
    const at = nextSlot * SLOT.length;
    Atomics.store(shared, at + SLOT.size, BigInt(size));
    Atomics.store(shared, at + SLOT.records, BigInt(records));
    Atomics.store(shared, at + SLOT.told, 0n);
    listeners.set(nextSlot, listener);
    return nextSlot;
  }

  return {
    carry(job, listener) {
      const slot = take(job, listener);
      send({ kind: "carry", slot, ...job });
      return slot;
    },
    launch(job, listener) {
      const slot = take(job, listener);
      send({ kind: "launch", slot, ...job });
      return slot;
    },
    finish: (slot) => send({ kind: "finish", slot }),
    sizes(slot) {
      const at = slot * SLOT.length;
      // Asked for first: what grows after this is told anew.
      Atomics.store(shared, at + SLOT.told, 0n);
      const records = Number(Atomics.load(shared, at + SLOT.records));
      return { size: Number(Atomics.load(shared, at + SLOT.size)), records };
    },
    async close() {
      closing = true;
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      send({ kind: "quit" });
      await ended;
      port1.close();
      call("close", wake);
    },
  };
}
