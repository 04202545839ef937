/** The block devices whose throughput a cgroup can hold: whole disks, not partitions, not memory. */
import { readdirSync, readFileSync } from "node:fs";

const FOLDER = "/sys/block";

/** A whole block device. */
export interface BlockDevice {
  readonly name: string;
  /** `major:minor`, as the cgroup files name it. */
  readonly number: string;
  /** Made of other block devices (LVM, RAID, dm-crypt): what it transfers is counted once more below it. */
  readonly stacked: boolean;
}

/** Memory that looks like a disk, and files that look like one: their transfers are counted where they really happen. */
const NO_DISK = /^(?:loop|ram|zram)\d/;

/** Names below /sys/block, in order: cheap enough to ask before each use whether a disk came or went. */
export function blockDeviceNames(): string[] {
  try {
    return readdirSync(FOLDER).filter((name) => !NO_DISK.test(name));
  } catch {
    return [];
  }
}

/** What /sys/block says of each name; those without a number (hidden NVMe paths) or without a medium are left out. */
export function readBlockDevices(names: readonly string[] = blockDeviceNames()): BlockDevice[] {
  const devices: BlockDevice[] = [];
  for (const name of names) {
    try {
      const number = readFileSync(`${FOLDER}/${name}/dev`, "utf8").trim();
      const sectors = Number(readFileSync(`${FOLDER}/${name}/size`, "utf8"));
      if (!/^\d+:\d+$/.test(number) || !(sectors > 0)) continue;
      devices.push({ name, number, stacked: slaves(name).length > 0 });
    } catch {
      // Unplugged while we looked, or no `dev` because the kernel hides it.
    }
  }
  return devices;
}

function slaves(name: string): string[] {
  try {
    return readdirSync(`${FOLDER}/${name}/slaves`);
  } catch {
    return [];
  }
}
