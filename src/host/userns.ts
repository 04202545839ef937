/** User namespaces: what keeps this process from making them, a real attempt, and the ids that it may map. */
import { CLONE } from "#ffi/abi/clone.ts";
import { type Scratch, scratch, SystemError } from "#ffi/call.ts";
import { child } from "#ffi/child.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import { type Look, thisHost } from "./look.ts";
import { mountsIn } from "./mountinfo.ts";

/** Why no user namespace can be made, and the way out: one clause each. */
export interface Obstacle {
  readonly why: string;
  readonly remedy: string;
}

/** What a refused attempt said: the errno's name, such as `EPERM`. */
export interface Refusal {
  /** `clone3`: no namespace was made; `unshare`: one was, but nothing can be done in it. */
  readonly call: "clone3" | "unshare";
  readonly errno: string;
}

/**
 * What keeps this process from making user namespaces; undefined where nothing is known to. Makes none. With what an
 * attempt said it also names the cause that cannot be read from outside: a seccomp filter.
 */
export function usernsObstacle(refusal?: Refusal, look: Look = thisHost): Obstacle | undefined {
  return missing(look) ?? switchedOff(look) ?? debian(look) ?? appArmor(look) ?? chroot(look) ?? refused(refusal, look);
}

function missing(look: Look): Obstacle | undefined {
  if (look.link("/proc/self/ns/user") !== "") return undefined;
  return { why: "the kernel was built without user namespaces", remedy: "boot a kernel with CONFIG_USER_NS=y" };
}

function switchedOff(look: Look): Obstacle | undefined {
  if (look.text("/proc/sys/user/max_user_namespaces").trim() !== "0") return undefined;
  return { why: "user.max_user_namespaces is 0", remedy: "sudo sysctl -w user.max_user_namespaces=15000" };
}

/** A sysctl of Debian's and Arch's kernels; the mainline has none. */
function debian(look: Look): Obstacle | undefined {
  if (look.text("/proc/sys/kernel/unprivileged_userns_clone").trim() !== "0" || isAdmin(look)) return undefined;
  return {
    why: "kernel.unprivileged_userns_clone is 0, so only root makes them",
    remedy: "sudo sysctl -w kernel.unprivileged_userns_clone=1",
  };
}

/** The profile that Ubuntu moves an unconfined process into when it makes a user namespace: no capability works in it. */
const STRIPPED = "unprivileged_userns";

/** Ubuntu 23.10 and newer: only programs with a profile that says `userns` get something out of a user namespace. */
function appArmor(look: Look): Obstacle | undefined {
  if (look.text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").trim() !== "1" || isAdmin(look))
    return undefined;
  const profile = appArmorProfile(look);
  if (profile !== "" && profile !== "unconfined" && profile.split(" ")[0] !== STRIPPED) return undefined;
  return {
    why: "AppArmor lets only programs with a profile for it use them",
    remedy:
      "tele doctor --print-apparmor | sudo tee /etc/apparmor.d/tele >/dev/null && sudo apparmor_parser -r /etc/apparmor.d/tele",
  };
}

/** The AppArmor profile of this process, such as `unconfined` or `tele (unconfined)`; empty without AppArmor. */
export function appArmorProfile(look: Look): string {
  // attr/current is the first security module's, which may be another one; attr/apparmor/ is there since Linux 5.8.
  const own = look.text("/proc/self/attr/apparmor/current") || look.text("/proc/self/attr/current");
  return own.replace(/[\0\n]+$/, "");
}

/** clone(2), EPERM: "the caller is in a chroot environment". */
function chroot(look: Look): Obstacle | undefined {
  if (!isChroot(look.text("/proc/self/mountinfo"), look.text("/proc/1/mountinfo"))) return undefined;
  return {
    why: "this process is in a chroot, where the kernel makes none",
    remedy: "enter it with pivot_root instead: bwrap, systemd-nspawn or a container do",
  };
}

/**
 * Whether a process with this mountinfo is in a chroot. A directory as root shows no mount on `/`; a mount as root is one
 * that init, in the same mount namespace, sees elsewhere (mount ids are the machine's, so another namespace's differ).
 */
export function isChroot(own: string, init: string): boolean {
  const mounts = mountsIn(own);
  if (mounts.length === 0) return false;
  const roots = mounts.filter(({ point }) => point === "/").map(({ id }) => id);
  if (roots.length === 0) return true;
  return mountsIn(init).some(({ id, point }) => roots.includes(id) && point !== "/");
}

function refused(refusal: Refusal | undefined, look: Look): Obstacle | undefined {
  if (!refusal) return undefined;
  const why = `${refusal.call} says ${refusal.errno}`;
  if (refusal.errno === "ENOSPC" || refusal.errno === "EUSERS")
    return {
      why: `${why}: too many or too deeply nested`,
      remedy: `sudo sysctl -w user.max_user_namespaces=63000, or start fewer`,
    };
  // A filter answers the call itself, docker's with ENOSYS; AppArmor answers it with EACCES, or what is done in it with EPERM.
  const filtered = /^Seccomp:\s*2/m.test(look.text("/proc/self/status"));
  if (filtered && refusal.call === "clone3" && refusal.errno !== "EACCES")
    return {
      why: `${why}, likely by the seccomp filter that this process is under`,
      remedy:
        "start the container with --security-opt seccomp=unconfined, or the service without RestrictNamespaces= and SystemCallFilter=",
    };
  const profile = appArmorProfile(look);
  if (/\((?:enforce|kill)\)$/.test(profile))
    return { why: `${why}, likely by the AppArmor profile ${profile}`, remedy: "allow userns in that profile" };
  return {
    why: `${why}, in a chroot or by a security module`,
    remedy: "leave the chroot, or read who refused it: journalctl -k | grep -iE 'denied|userns'",
  };
}

/** Whether it has CAP_SYS_ADMIN over the machine: then neither Debian's nor Ubuntu's restriction is meant. */
function isAdmin(look: Look): boolean {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(look.text("/proc/self/status"))?.[1] ?? "0"}`);
  const first = /^\s*0\s+0\s+4294967295\s*$/.test(look.text("/proc/self/uid_map"));
  return first && ((effective >> BigInt(CAPABILITIES.indexOf("SYS_ADMIN"))) & 1n) === 1n;
}

let arena: Scratch | undefined;

/**
 * Makes a user namespace in a child that leaves at once, about 0.1 ms; what the kernel said where it refused. The child
 * also makes a uts namespace in it, because Ubuntu's AppArmor refuses not the first but everything after it.
 */
export function usernsProbe(): Refusal | undefined {
  arena ??= scratch(4096);
  arena.reset();
  try {
    const born = child(arena, {
      flags: CLONE.VFORK | CLONE.NEWUSER,
      calls: [
        ["unshare", CLONE.NEWUTS],
        ["exit_group", 0],
      ],
    });
    born.reap();
    const failure = born.failure();
    return failure && { call: "unshare", errno: failure.errnoName };
  } catch (error) {
    if (error instanceof SystemError) return { call: "clone3", errno: error.errnoName };
    throw error;
  }
}

/** `count` ids from `start`. */
export interface IdRange {
  readonly start: number;
  readonly count: number;
}

/** What an ordinary user may map into a user namespace beside the own id. */
export interface SubordinateIds {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
  /** Full paths, where they are installed and have the rights that they need. */
  readonly newuidmap?: string;
  readonly newgidmap?: string;
  /** Why one of them is of no use. */
  readonly unusable?: string;
}

/** The ids that /etc/subuid and /etc/subgid give a user, and the programs that write them into a map. */
export function subordinateIds(user: string, uid: number, look: Look = thisHost): SubordinateIds {
  const noNewPrivileges = /^NoNewPrivs:\s*1/m.test(look.text("/proc/self/status"));
  const faults: string[] = [];
  const usable = (name: string): string | undefined => {
    const path = look.program(name);
    if (path === undefined) faults.push(`${name} is not installed`);
    else if (!look.raises(path)) faults.push(`${path} has neither its set-user-ID bit nor capabilities`);
    else if (noNewPrivileges) faults.push(`${name} has no rights here: no_new_privs is set`);
    else return path;
    return undefined;
  };
  const [newuidmap, newgidmap] = [usable("newuidmap"), usable("newgidmap")];
  return {
    uids: rangesOf(look.text("/etc/subuid"), user, uid),
    gids: rangesOf(look.text("/etc/subgid"), user, uid),
    ...(newuidmap !== undefined && { newuidmap }),
    ...(newgidmap !== undefined && { newgidmap }),
    ...(faults[0] !== undefined && { unusable: faults[0] }),
  };
}

/** Ranges of a user in subuid(5) or subgid(5): `name or uid:start:count`; both files name the user, not the group. */
export function rangesOf(text: string, user: string, uid: number): IdRange[] {
  return text.split("\n").flatMap((line): IdRange[] => {
    const match = /^([^:#]+):(\d+):(\d+)\s*$/.exec(line);
    if (!match || (match[1] !== user && match[1] !== String(uid))) return [];
    const range = { start: Number(match[2]), count: Number(match[3]) };
    return range.count > 0 && range.start + range.count <= 4_294_967_295 ? [range] : [];
  });
}
