/** Calls that are allowed for some arguments only. These rules come before the lists of `groups.ts`. */
import { CLONE } from "#ffi/abi/clone.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { MFD } from "#ffi/abi/memfd.ts";
import { PERSONALITY, PERSONALITY_ASK } from "#ffi/abi/personality.ts";
import { FAMILY, IPPROTO, NETLINK } from "#ffi/abi/protocols.ts";
import { SECCOMP_FILTER_FLAG } from "#ffi/abi/seccomp.ts";
import { TIOC } from "#ffi/abi/tty.ts";
import type { CapabilityName } from "#spec/capabilities.ts";
import { type Action, anyOf, type Condition, noneOf, type Rule, word } from "./filter.ts";

const EPERM: Action = { errno: ERRNO.EPERM };

const allow = (call: string, ...args: Condition[]): Rule => ({ calls: [call], action: "ALLOW", args });
const refuse = (call: string, action: Action, ...args: Condition[]): Rule => ({ calls: [call], action, args });

/** Pushes characters into a terminal's input, so into the shell it came from (CVE-2017-5226, CVE-2019-10063). */
const terminal = (): Rule[] => [
  refuse("ioctl", EPERM, word(1, "==", TIOC.STI)),
  // Pastes the selection of a virtual console: the same by another way (CVE-2023-28100).
  refuse("ioctl", EPERM, word(1, "==", TIOC.LINUX)),
  // Line disciplines load modules that nobody audits (CVE-2017-2636, CVE-2023-6546).
  refuse("ioctl", EPERM, word(1, "==", TIOC.SETD)),
];

/**
 * PID 1 is the tether. Without a range of ids it has the job's own user, so the kernel lets the job set its limits, pin
 * it to a CPU or make it wait. Signals it does not hear, and it is in another user namespace, so it cannot be traced.
 */
const tether = (): Rule[] => [
  {
    calls: ["prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"],
    action: EPERM,
    args: [word(0, "==", 1)],
  },
  // The second argument is a process, or a group, which is the tether's own as well.
  { calls: ["setpriority", "ioprio_set"], action: EPERM, args: [word(1, "==", 1)] },
];

/** In clone(2) the time namespace has no flag: its bit is the exit signal's. */
const NAMESPACES =
  CLONE.NEWNS | CLONE.NEWCGROUP | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWUSER | CLONE.NEWPID | CLONE.NEWNET;

/** No new namespaces. The flags of clone3 are in memory, where a filter cannot see them: C libraries then use clone. */
const noNamespaces = (): Rule[] => [
  refuse("clone", EPERM, anyOf(0, NAMESPACES)),
  { calls: ["clone3"], action: { errno: ERRNO.ENOSYS }, quiet: true },
];

/** A thread's own root, working directory or descriptors are nobody else's matter (samba wants them). */
const ownThread = (): Rule => allow("unshare", noneOf(0, ~BigInt(CLONE.FS | CLONE.FILES) & 0xffff_ffff_ffff_ffffn));

/** Without random addresses programs are debugged; other bits (READ_IMPLIES_EXEC, MMAP_PAGE_ZERO) weaken programs. */
const personalities = (): Rule[] => [
  ...[PERSONALITY.LINUX, PERSONALITY.ADDR_NO_RANDOMIZE, PERSONALITY_ASK].map((one) =>
    allow("personality", word(0, "==", one)),
  ),
  refuse("personality", EPERM),
];

interface Sockets {
  readonly netlink: readonly number[] | "any";
  readonly internet: readonly number[] | "any";
  readonly packet: boolean;
}

/**
 * Families by name, since each other one is a module that socket(2) loads. Refused in every profile: AF_VSOCK reaches
 * the hypervisor past the network namespace, AF_ALG lets users feed the kernel's parsers (docker refuses both), and
 * Bluetooth, CAN and the like are the host's devices.
 */
function sockets({ netlink, internet, packet }: Sockets): Rule[] {
  const family = (number: number): Condition => word(0, "==", number);
  const protocol = (number: number): Rule => allow("socket", word(2, "==", number));
  return [
    allow("socket", family(FAMILY.UNIX)),
    ...(packet ? [allow("socket", family(FAMILY.PACKET))] : []),
    ...(netlink === "any"
      ? [allow("socket", family(FAMILY.NETLINK))]
      : [
          ...netlink.map((number) => allow("socket", family(FAMILY.NETLINK), word(2, "==", number))),
          refuse("socket", { errno: ERRNO.EPROTONOSUPPORT }, family(FAMILY.NETLINK)),
        ]),
    refuse("socket", { errno: ERRNO.EAFNOSUPPORT }, word(0, "!=", FAMILY.INET), word(0, "!=", FAMILY.INET6)),
    ...(internet === "any"
      ? [allow("socket")]
      : [...internet.map(protocol), refuse("socket", { errno: ERRNO.EPROTONOSUPPORT })]),
    // No other family that is allowed has pairs.
    refuse("socketpair", { errno: ERRNO.EOPNOTSUPP }, word(0, "!=", FAMILY.UNIX)),
    allow("socketpair"),
  ];
}

/** How libraries list interfaces (getifaddrs(3)). More needs CAP_NET_ADMIN, but for reading sockets and events. */
const NETLINK_STRICT = [NETLINK.ROUTE];
const NETLINK_DEFAULT = [NETLINK.ROUTE, NETLINK.SOCK_DIAG, NETLINK.KOBJECT_UEVENT];
/** What everybody uses: SCTP, DCCP, L2TP and others would be loaded (CVE-2017-6074). */
const INTERNET_STRICT = Object.values(IPPROTO);

const strictly = (): Rule[] => [
  // Programs that exist nowhere as a file: memory may be shared, not executed (needs Linux 6.3; tmpfs is the way out).
  allow("memfd_create", anyOf(1, MFD.NOEXEC_SEAL)),
  refuse("memfd_create", EPERM),
  allow("personality", word(0, "==", PERSONALITY_ASK)),
  refuse("personality", EPERM),
  // A filter that asks a supervisor of the job's own: more kernel than a sandbox in the sandbox needs.
  refuse("seccomp", EPERM, anyOf(1, SECCOMP_FILTER_FLAG.NEW_LISTENER)),
];

/** What holds in a profile, its capabilities considered. */
export function restrictions(
  profile: "strict" | "default" | "dev",
  capabilities: ReadonlySet<CapabilityName>,
): readonly Rule[] {
  const dev = profile === "dev";
  const strict = profile === "strict";
  const namespaces = dev || capabilities.has("SYS_ADMIN");
  // Inside a nested sandbox both are to be had, so `dev` has them.
  const configures = dev || capabilities.has("NET_ADMIN");
  const raw = dev || capabilities.has("NET_RAW");
  return [
    ...terminal(),
    ...tether(),
    ...(namespaces ? [allow("clone3")] : noNamespaces()),
    ...(strict ? strictly() : dev ? [allow("personality")] : [...personalities(), ownThread()]),
    ...sockets({
      netlink: configures ? "any" : strict ? NETLINK_STRICT : NETLINK_DEFAULT,
      internet: strict && !raw ? INTERNET_STRICT : "any",
      packet: raw,
    }),
  ];
}
