/**
 * What the main thread and the pump's thread say to each other.
 *
 * Sizes go through shared memory, so that a job that writes a gigabyte a second costs the main thread one message per
 * look, not one per read. Each job has a slot: three 64-bit numbers.
 */
import type { MessagePort } from "node:worker_threads";
import type { Filter } from "#program/seccomp/filter.ts";
import type { DeniedCall } from "#spec/job.ts";
import type { LaunchRequest } from "../launch.ts";

/** How many jobs one pump carries. */
export const SLOTS = 16_384;
/** Numbers of a slot: bytes in the data file, records in the index file, and whether a `grown` is on its way. */
export const SLOT = { size: 0, records: 1, told: 2, length: 3 } as const;

/** What the worker is born with. */
export interface PumpData {
  readonly port: MessagePort;
  /** `SLOTS * SLOT.length` 64-bit numbers. */
  readonly sizes: SharedArrayBuffer;
  /** An eventfd: written after each command, because the worker waits in epoll and not in its event loop. */
  readonly wake: number;
}

/** Descriptors of a job that the pump owns from now on, and where its output stands. */
export interface Carry {
  readonly kind: "carry";
  readonly slot: number;
  readonly report: number;
  readonly stdout: number;
  readonly stderr: number;
  readonly data: number;
  readonly index: number;
  /** Bytes already in the data file, and records in the index (after a restart). */
  readonly size: number;
  readonly records: number;
  /** Time of the last of these records, nanoseconds since the epoch: the next one is not older. */
  readonly lastNs: bigint;
  /** Most bytes of output. */
  readonly limit: number;
}

/** A tether to start and then to carry: `report`, `stdout` and `stderr` come from the launch. */
export interface Launch extends Omit<Carry, "kind" | "report" | "stdout" | "stderr"> {
  readonly kind: "launch";
  readonly request: LaunchRequest;
  /** The filter whose denials the pump makes and counts, where the program asks a supervisor for them. */
  readonly denials?: Filter;
}

export type Command =
  | Carry
  | Launch
  /** Let go of a job whose tether is gone or was found ended: read what its pipes still hold, close, say `ended`. */
  | { readonly kind: "finish"; readonly slot: number }
  | { readonly kind: "quit" };

export type PumpEvent =
  /** The tether is executed; from here on it is the main thread's to hold by its pidfd. */
  | { readonly kind: "launched"; readonly slot: number; readonly pid: number; readonly pidfd: number }
  /** The kernel refused it; the slot is free again, and the output files are closed. */
  | { readonly kind: "refused"; readonly slot: number; readonly call: string; readonly errno: string }
  /** The tether began (its workload runs) or failed at a step. */
  | { readonly kind: "started"; readonly slot: number }
  | { readonly kind: "failed"; readonly slot: number; readonly step: number; readonly errno: number }
  /** The slot's sizes moved; sent again only after `told` was set back to 0. */
  | { readonly kind: "grown"; readonly slot: number }
  /** The output limit is reached, by its index where there are too many `pieces`, or the disk refused (`errno`): what follows is dropped. */
  | { readonly kind: "limit"; readonly slot: number; readonly errno?: string; readonly pieces?: true }
  /** The tether is dying without its last word, and the kernel kills its processes; say `finish` when they are gone. */
  | { readonly kind: "vanished"; readonly slot: number }
  /**
   * Nothing more will come: every descriptor is closed, every byte that the limit allows is in the file. `recorded`
   * tells whether the tether said that it wrote its exit record; otherwise it vanished. `denied` has every denial of the
   * job's life, and is left out where they were not asked for, or not heard.
   */
  | {
      readonly kind: "ended";
      readonly slot: number;
      readonly recorded: boolean;
      readonly denied?: readonly DeniedCall[];
    };
