/** Structures of the kernel as people read them, by the call and the argument that takes them. */
import { flagNames } from "#ffi/abi/flags.ts";
import { IFREQ } from "#ffi/abi/netdevice.ts";
import type { CallName } from "#ffi/syscalls.ts";

type Shown = (view: DataView, bytes: Uint8Array) => string;

const word = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

const STRUCTURES: Partial<Record<`${CallName} ${string}`, Shown>> = {
  "mount_setattr attr": (view) => {
    const cleared = word(view, 8);
    const clear = cleared === 0 ? "" : `, attr_clr=${flagNames("MOUNT_ATTR", cleared)}`;
    const propagation = word(view, 16) === 0 ? "" : `, propagation=${flagNames("MS", word(view, 16))}`;
    return `{attr_set=${flagNames("MOUNT_ATTR", word(view, 0))}${clear}${propagation}}`;
  },
  "prlimit64 new_limit": (view) => `{rlim_cur=${word(view, 0)}, rlim_max=${word(view, 8)}}`,
  "ioctl argp": (view, bytes) => {
    const name = Buffer.from(bytes.subarray(IFREQ.name, IFREQ.flags)).toString().replace(/\0.*$/s, "");
    return `{ifr_name=${JSON.stringify(name)}, ifr_flags=${flagNames("IFF", view.getInt16(IFREQ.flags, true))}}`;
  },
  "setgroups list": (view, bytes) =>
    `[${Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true)).join(", ")}]`,
  "capset hdrp": (view) => `{version=0x${view.getUint32(0, true).toString(16)}, pid=${view.getInt32(4, true)}}`,
};

/** The structure in one pair of braces: by its fields where they are known, `{0}` where all is zero, else as bytes. */
export function structureText(call: CallName, argument: string, bytes: Uint8Array): string {
  const shown = STRUCTURES[`${call} ${argument}`];
  if (shown) return shown(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), bytes);
  return bytes.every((byte) => byte === 0) ? "{0}" : `{${Buffer.from(bytes).toString("hex")}}`;
}
