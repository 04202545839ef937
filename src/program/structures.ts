/** Structures of the kernel as people read them, by the call and the argument that takes them. */
import { flagNames } from "#ffi/abi/flags.ts";
import { IFREQ } from "#ffi/abi/netdevice.ts";
import type { CallName } from "#ffi/syscalls.ts";

type Shown = (view: DataView, bytes: Uint8Array, slot: string) => string;

const word = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** getrlimit(2). */
const RLIM64_INFINITY = 0xffff_ffff_ffff_ffffn;

const STRUCTURES: Partial<Record<`${CallName} ${string}`, Shown>> = {
  "mount_setattr attr": (view) => {
    const cleared = word(view, 8);
    const clear = cleared === 0 ? "" : `, attr_clr=${flagNames("MOUNT_ATTR", cleared)}`;
    const propagation = word(view, 16) === 0 ? "" : `, propagation=${flagNames("MS", word(view, 16))}`;
    const userns = word(view, 24) === 0 ? "" : `, userns_fd=${word(view, 24)}`;
    return `{attr_set=${flagNames("MOUNT_ATTR", word(view, 0))}${clear}${propagation}${userns}}`;
  },
  "prlimit64 new_limit": (view) => {
    const [soft, hard] = [0, 8].map((at) =>
      view.getBigUint64(at, true) === RLIM64_INFINITY ? "RLIM64_INFINITY" : word(view, at),
    );
    return `{rlim_cur=${soft}, rlim_max=${hard}}`;
  },
  "ioctl argp": (view, bytes) => {
    const name = Buffer.from(bytes.subarray(IFREQ.name, IFREQ.flags)).toString().replace(/\0.*$/s, "");
    return `{ifr_name=${JSON.stringify(name)}, ifr_flags=${flagNames("IFF", view.getInt16(IFREQ.flags, true))}}`;
  },
  "setgroups list": (view, bytes) =>
    `[${Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4, true)).join(", ")}]`,
  "openat2 how": (view) => `{flags=${flagNames("O", word(view, 0))}, resolve=${flagNames("RESOLVE", word(view, 16))}}`,
  "landlock_create_ruleset attr": (view) => `{handled_access_fs=${flagNames("LANDLOCK_ACCESS_FS", word(view, 0))}}`,
  "landlock_add_rule rule_attr": (view, _bytes, slot) =>
    `{allowed_access=${flagNames("LANDLOCK_ACCESS_FS", word(view, 0))}, parent_fd=${slot}}`,
  "capset datap": (view) => {
    const set = (at: number): string =>
      (view.getUint32(at, true) + view.getUint32(at + 12, true) * 2 ** 32).toString(16);
    return `{effective=permitted=0x${set(0)}, inheritable=0x${set(8)}}`;
  },
  // What is written to an eventfd is one number (eventfd(2)).
  "write buf": (view, bytes) => (bytes.length === 8 ? `{${word(view, 0)}}` : "{…}"),
  "capset hdrp": (view) => `{version=0x${view.getUint32(0, true).toString(16)}, pid=${view.getInt32(4, true)}}`,
};

/** The structure in one pair of braces: by its fields where they are known, `{0}` where all is zero, else as bytes. */
export function structureText(call: CallName, argument: string, bytes: Uint8Array, slot = ""): string {
  const shown = STRUCTURES[`${call} ${argument}`];
  if (shown) return shown(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), bytes, slot);
  return bytes.every((byte) => byte === 0) ? "{0}" : `{${Buffer.from(bytes).toString("hex")}}`;
}
