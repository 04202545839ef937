/** What this host and this process are, read once when a daemon or `tele run` starts. */
import { readFileSync, readlinkSync } from "node:fs";
import { LANDLOCK_CREATE_RULESET_VERSION } from "#ffi/abi/landlock.ts";
import { ERRNO } from "#ffi/abi/errno.ts";
import { SECCOMP, SECCOMP_FILTER_FLAG } from "#ffi/abi/seccomp.ts";
import { call } from "#ffi/call.ts";
import { CAPABILITIES, type CapabilityName } from "#spec/capabilities.ts";
import type { Facts } from "#spec/facts.ts";
import { NOFILE_HARD } from "#spec/limits.ts";

/** Everything of `Facts` but the cgroup, in a tenth of a millisecond. `hide` are directories of ours that no job may see. */
export function readFacts(hide: readonly string[]): Omit<Facts, "cgroup"> {
  const status = readFileSync("/proc/self/status", "utf8");
  return {
    ignoredSignals: ignoredSignals(status),
    lastCapability: Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8")),
    nofileHard: Math.min(NOFILE_HARD, hardOpenFiles(readFileSync("/proc/self/limits", "utf8"))),
    hide,
    privileged: isPrivileged(status, usernsLink()),
    held: heldCapabilities(status),
    landlock: landlockAbi(),
    waitKillable: hasWaitKillable(),
  };
}

/** Signal numbers of `SigIgn:` in /proc/pid/status. */
export function ignoredSignals(status: string): number[] {
  const mask = BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return Array.from({ length: 64 }, (_, index) => index + 1).filter((signal) => (mask >> BigInt(signal - 1)) & 1n);
}

/** The hard limit of `Max open files` in /proc/pid/limits. */
export function hardOpenFiles(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? "1024";
  return hard === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(hard);
}

/**
 * What a tether needs that makes namespaces without a user namespace around itself: to give its job other ids and write
 * their map, to drop the bounding set, namespaces and mounts, the nodes of /dev.
 */
const TETHER_CAPABILITIES = ["SETGID", "SETUID", "SETPCAP", "NET_ADMIN", "SYS_CHROOT", "SYS_ADMIN", "MKNOD"] as const;

/** `/proc/self/ns/user` of the first user namespace: PROC_USER_INIT_INO, the same on every kernel. */
const FIRST_USERNS = "user:[4026531837]";

/**
 * Whether a process with this /proc/pid/status and `ns/user` link may start tethers with the host's privileges. Root of a
 * container in a user namespace may not: mknod(2) asks for CAP_MKNOD over the machine itself.
 */
export function isPrivileged(status: string, userns: string): boolean {
  return userns === FIRST_USERNS && missingCapabilities(status).length === 0;
}

/** Numbers in the permitted set of a process with this /proc/pid/status. */
export function heldCapabilities(status: string): number[] {
  const permitted = BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return CAPABILITIES.flatMap((_, number) => ((permitted >> BigInt(number)) & 1n ? [number] : []));
}

/** Which capabilities a tether would lack that this process starts. */
export function missingCapabilities(status: string): CapabilityName[] {
  const held = keptOverExec(status);
  return TETHER_CAPABILITIES.filter((name) => ((held >> BigInt(CAPABILITIES.indexOf(name))) & 1n) === 0n);
}

/** Effective capabilities that survive an execve(2): all of root's, of anybody else's the ambient ones. */
function keptOverExec(status: string): bigint {
  const set = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? 0}`);
  const effectiveUid = /^Uid:\s*\d+\s+(\d+)/m.exec(status)?.[1];
  return effectiveUid === "0" ? set("CapEff") : set("CapEff") & set("CapAmb");
}

/** Where /proc/self/ns/user leads; empty on a kernel without user namespaces. */
function usernsLink(): string {
  try {
    return readlinkSync("/proc/self/ns/user");
  } catch {
    return "";
  }
}

/** Whether the kernel knows the flag: with one it does, it goes on to read the filter, which is not there (seccomp(2)). */
function hasWaitKillable(): boolean {
  const flags = SECCOMP_FILTER_FLAG.NEW_LISTENER | SECCOMP_FILTER_FLAG.WAIT_KILLABLE_RECV;
  return call("seccomp", SECCOMP.SET_MODE_FILTER, flags, 0) === -ERRNO.EFAULT;
}

/** Landlock's ABI; 0 where the kernel has none (ENOSYS), it was not switched on at boot (EOPNOTSUPP) or a filter forbids it. */
export function landlockAbi(): number {
  return Math.max(0, call("landlock_create_ruleset", 0, 0, LANDLOCK_CREATE_RULESET_VERSION));
}
