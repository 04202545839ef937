/** Flag words as people read them: names for a listing, from the tables beside this file. */
import { CLONE } from "./clone.ts";
import { CLOSE_RANGE } from "./close-range.ts";
import { EPOLL_CTL } from "./epoll.ts";
import { AT, F, O } from "./fcntl.ts";
import { MFD } from "./memfd.ts";
import { MNT, MS } from "./mount.ts";
import { MOUNT_ATTR, MOVE_MOUNT, OPEN_TREE } from "./mount-api.ts";
import { FSCONFIG, FSMOUNT, FSOPEN } from "./fsopen.ts";
import { EFD } from "./eventfd.ts";
import { KEYCTL } from "./keyctl.ts";
import { LANDLOCK_ACCESS_FS, LANDLOCK_RULE } from "./landlock.ts";
import { IFF, SIOC } from "./netdevice.ts";
import { RESOLVE } from "./openat2.ts";
import { PR } from "./prctl.ts";
import { RLIMIT } from "./resource.ts";
import { SECCOMP, SECCOMP_FILTER_FLAG } from "./seccomp.ts";
import { SIG, SIG_HOW } from "./signal.ts";
import { AF, SOCK } from "./socket.ts";
import { CLOCK } from "./time.ts";
import { P, W } from "./wait.ts";

const TABLES: Readonly<Record<string, { readonly prefix: string; readonly values: Readonly<Record<string, number>> }>> =
  {
    AF: { prefix: "AF_", values: AF },
    AT: { prefix: "AT_", values: AT },
    CLOCK: { prefix: "CLOCK_", values: CLOCK },
    CLONE: { prefix: "CLONE_", values: CLONE },
    CLOSE_RANGE: { prefix: "CLOSE_RANGE_", values: CLOSE_RANGE },
    EFD: { prefix: "EFD_", values: EFD },
    EPOLL_CTL: { prefix: "EPOLL_CTL_", values: EPOLL_CTL },
    F: { prefix: "F_", values: F },
    FSCONFIG: { prefix: "FSCONFIG_", values: FSCONFIG },
    FSMOUNT: { prefix: "FSMOUNT_", values: FSMOUNT },
    FSOPEN: { prefix: "FSOPEN_", values: FSOPEN },
    IFF: { prefix: "IFF_", values: IFF },
    KEYCTL: { prefix: "KEYCTL_", values: KEYCTL },
    LANDLOCK_ACCESS_FS: { prefix: "", values: LANDLOCK_ACCESS_FS },
    LANDLOCK_RULE: { prefix: "LANDLOCK_RULE_", values: LANDLOCK_RULE },
    MFD: { prefix: "MFD_", values: MFD },
    MNT: { prefix: "", values: MNT },
    MOUNT_ATTR: { prefix: "MOUNT_ATTR_", values: MOUNT_ATTR },
    MOVE_MOUNT: { prefix: "MOVE_MOUNT_", values: MOVE_MOUNT },
    MS: { prefix: "MS_", values: MS },
    O: { prefix: "O_", values: O },
    OPEN_TREE: { prefix: "", values: OPEN_TREE },
    P: { prefix: "P_", values: P },
    PR: { prefix: "PR_", values: PR },
    RESOLVE: { prefix: "RESOLVE_", values: RESOLVE },
    RLIMIT: { prefix: "RLIMIT_", values: RLIMIT },
    SECCOMP: { prefix: "SECCOMP_", values: SECCOMP },
    SECCOMP_FILTER: { prefix: "SECCOMP_FILTER_FLAG_", values: SECCOMP_FILTER_FLAG },
    SIG: { prefix: "SIG", values: SIG },
    SIG_HOW: { prefix: "SIG_", values: SIG_HOW },
    SIOC: { prefix: "SIOC", values: SIOC },
    SOCK: { prefix: "SOCK_", values: SOCK },
    W: { prefix: "W", values: W },
  };

/** `MS_BIND|MS_REC`; bits without a name follow in hexadecimal; `0` when none is set. */
export function flagNames(table: string, value: number): string {
  const { prefix, values } = tableOf(table);
  const names: string[] = [];
  let rest = value;
  for (const [name, bits] of Object.entries(values)) {
    // A name is listed when all its bits are there and it says something that is not said yet.
    if (bits !== 0 && (value & bits) === bits && (rest & bits) !== 0) {
      names.push(prefix + name);
      rest &= ~bits;
    }
  }
  if (rest !== 0 || names.length === 0) names.push(rest === 0 ? "0" : `0x${(rest >>> 0).toString(16)}`);
  return names.join("|");
}

/** The one name of a value, such as `SIGKILL`, or the number where it has none. */
export function valueName(table: string, value: number): string {
  const { prefix, values } = tableOf(table);
  for (const [name, number] of Object.entries(values)) if (number === value) return prefix + name;
  return String(value);
}

function tableOf(name: string) {
  const table = TABLES[name];
  if (!table) throw new Error(`no flag table ${name}`);
  return table;
}
