/**
 * The filters of the profiles: an allow-list in the spirit of docker's and of systemd's @system-service. Unknown calls
 * answer ENOSYS, dangerous ones EPERM, and a capability that was added opens the calls that belong to it.
 *
 * How `default` differs from docker's default (moby/profiles, seccomp/default.json, 2026), on purpose:
 * - i386 and x32 are closed. Their calls are the same kernel by doors that are seldom looked at; docker leaves them open.
 * - Refused here: process_vm_readv, process_vm_writev (tracers use ptrace), modify_ldt (CVE-2015-5157), memfd_secret,
 *   fanotify_mark (nothing to mark without fanotify_init), ioctl TIOCSTI, TIOCLINUX and TIOCSETD, whatever names PID 1,
 *   netlink but for listing interfaces, sockets and events, and families but for unix, internet and netlink.
 * - Allowed here: unshare of a thread's own directory and descriptors, and the newer file_getattr, file_setattr,
 *   rseq_slice_yield and uprobe.
 * - Personalities: ADDR_NO_RANDOMIZE, for debuggers, instead of docker's PER_LINUX32 and UNAME26.
 * - Calls that are not on a list answer ENOSYS, docker's EPERM, which programs take for a failure and do not work around.
 */
import { ERRNO } from "#ffi/abi/errno.ts";
import { CAPABILITIES, type CapabilityName } from "#spec/capabilities.ts";
import { precompiledAs } from "./compile.ts";
import type { Filter, Rule } from "./filter.ts";
import { COMMON, GUARDED, WIDER } from "./groups.ts";
import { restrictions } from "./restrictions.ts";

/** The profiles that have a filter of ours. */
export type FilterProfile = "strict" | "default" | "dev";

/** Whether a capability makes a difference to a filter. */
function matters(name: CapabilityName): boolean {
  return name === "NET_ADMIN" || name === "NET_RAW" || GUARDED.some(({ opens = [] }) => opens.includes(name));
}

const made = new Map<string, Filter>();
/** Capabilities are a caller's choice: so many combinations are kept, and no more. */
const KEPT = 64;

/** The filter of a profile for a job with these capabilities; the same one each time. */
export function profileFilter(profile: FilterProfile, capabilities: readonly CapabilityName[]): Filter {
  const has = CAPABILITIES.filter((name) => capabilities.includes(name) && matters(name));
  const key = [profile, ...has].join(" ");
  let filter = made.get(key);
  if (!filter) {
    if (made.size >= KEPT) made.clear();
    filter = lazily(profile, new Set(has));
    precompiledAs(filter, key);
    made.set(key, filter);
  }
  return filter;
}

/** Its rules are made when somebody reads them: a start needs the program alone, and that is there already. */
function lazily(profile: FilterProfile, has: ReadonlySet<CapabilityName>): Filter {
  let rules: readonly Rule[] | undefined;
  return {
    default: { errno: ERRNO.ENOSYS },
    get rules() {
      rules ??= rulesOf(profile, has);
      return rules;
    },
  };
}

function rulesOf(profile: FilterProfile, has: ReadonlySet<CapabilityName>): Rule[] {
  const open = ({ opens = [], dev }: (typeof GUARDED)[number]): boolean =>
    opens.some((name) => has.has(name)) || (profile === "dev" && dev === true);
  const allowed = [
    ...Object.values(COMMON),
    ...(profile === "strict" ? [] : Object.values(WIDER)),
    ...GUARDED.filter(open).map(({ calls }) => calls),
  ];
  const refused = GUARDED.filter((one) => !open(one)).map(({ calls }) => calls);
  return [
    ...restrictions(profile, has),
    { calls: allowed.flatMap(words), action: "ALLOW" },
    { calls: refused.flatMap(words), action: { errno: ERRNO.EPERM } },
  ];
}

const words = (text: string): string[] => text.split(/\s+/);
