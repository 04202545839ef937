// What the profiles let through and what not, by name; and what a supervisor hears of.
import { describe, expect, test } from "bun:test";
import { callNames, callNumber, isCall } from "#ffi/abi/syscall-numbers.ts";
import { describe as describeFilter } from "#program/seccomp/describe.ts";
import { type Action, type Filter, outcome, rulesByCall } from "#program/seccomp/filter.ts";
import { COMMON, GUARDED, WIDER } from "#program/seccomp/groups.ts";
import { filterFor } from "#program/seccomp/policy-filter.ts";
import { profileFilter } from "#program/seccomp/profiles.ts";
import { denialOf, learning, reporting } from "#program/seccomp/supervised.ts";
import { TETHER_FILTER } from "#program/seccomp/tether.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import { policyOf } from "#spec/policy.ts";

const strict = profileFilter("strict", []);
const normal = profileFilter("default", []);
const dev = profileFilter("dev", []);

const of = (filter: Filter, call: string, ...args: (number | bigint)[]): Action =>
  outcome(filter, call, args.map(BigInt));
const EPERM: Action = { errno: 1 };
const ENOSYS: Action = { errno: 38 };

describe("the lists", () => {
  const lists = [...Object.values(COMMON), ...Object.values(WIDER), ...GUARDED.map(({ calls }) => calls)];

  test("have names that are calls, and none twice but ptrace", () => {
    const names = lists.flatMap((list) => list.split(/\s+/));
    expect(names.filter((name) => !isCall(name))).toEqual([]);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual(["ptrace"]);
  });

  test("leave out what no kernel has any more, and what is too new to be judged", () => {
    const named = rulesByCall(normal);
    const unknown = callNames("x86_64").filter((name) => !named.has(name));
    expect(unknown.sort()).toEqual(
      `_sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area getpmsg listns
       putpmsg query_module security set_thread_area sysfs tuxcall uselib ustat vserver`.split(/\s+/),
    );
  });
});

describe("in every profile", () => {
  for (const [name, filter] of Object.entries({ strict, default: normal, dev })) {
    test(`${name}: ordinary programs find what they need`, () => {
      const calls = `read write openat mmap execve clone fork vfork wait4 exit_group futex brk statx getrandom rseq
        prctl arch_prctl set_robust_list rt_sigreturn kill setuid socketpair pipe2 epoll_pwait ppoll`.split(/\s+/);
      const args = { socketpair: 1 } as Record<string, number>;
      expect(calls.filter((call) => of(filter, call, args[call] ?? 0) !== "ALLOW")).toEqual([]);
    });

    test(`${name}: the host's kernel, clock, swap and modules are out of reach`, () => {
      const calls =
        `reboot kexec_load kexec_file_load init_module finit_module delete_module swapon swapoff bpf quotactl
        open_by_handle_at settimeofday clock_settime acct iopl ioperm syslog`.split(/\s+/);
      for (const call of calls) expect([call, of(filter, call)]).toEqual([call, EPERM]);
    });

    test(`${name}: terminals are not typed into, whatever the high bits say`, () => {
      for (const high of [0n, 1n << 32n, 0xffff_ffffn << 32n])
        for (const operation of [0x5412n, 0x541cn, 0x5423n])
          expect(of(filter, "ioctl", 0, high | operation)).toEqual(EPERM);
      for (const operation of [0x5401n, 0x5413n, 0x5421n]) expect(of(filter, "ioctl", 0, operation)).toBe("ALLOW");
    });

    test(`${name}: PID 1 keeps its limits and its share of the CPU`, () => {
      for (const call of ["prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"]) {
        expect(of(filter, call, 1)).toEqual(EPERM);
        expect(of(filter, call, 0x5_0000_0001n)).toEqual(EPERM);
        expect([of(filter, call, 0), of(filter, call, 2)]).toEqual(["ALLOW", "ALLOW"]);
      }
      for (const call of ["setpriority", "ioprio_set"]) {
        expect([of(filter, call, 0, 1), of(filter, call, 1, 1)]).toEqual([EPERM, EPERM]);
        expect(of(filter, call, 0, 0)).toBe("ALLOW");
      }
    });

    test(`${name}: no sockets to the hypervisor, the kernel's ciphers or devices`, () => {
      const refused = [40, 38, 31, 29, 12, 255, 0x1_0000_0028n];
      for (const family of refused) expect(of(filter, "socket", family, 1)).toEqual({ errno: 97 });
      for (const family of [1, 2, 10]) expect(of(filter, "socket", family, 1)).toBe("ALLOW");
      expect(of(filter, "socket", 16, 3, 0)).toBe("ALLOW");
    });
  }
});

describe("default", () => {
  test("makes no namespaces: clone is refused, clone3 is unknown, so that libc falls back", () => {
    for (const flag of [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000])
      expect(of(normal, "clone", flag | 17)).toEqual(EPERM);
    // CLONE_VM and its like, of a thread; the bit of CLONE_NEWTIME is a part of the signal.
    expect([of(normal, "clone", 0x3d_0f00), of(normal, "clone", 0x80)]).toEqual(["ALLOW", "ALLOW"]);
    expect(of(normal, "clone3")).toEqual(ENOSYS);
    expect([of(normal, "unshare", 0x1000_0000), of(normal, "unshare", 0x80), of(normal, "setns")]).toEqual([
      EPERM,
      EPERM,
      EPERM,
    ]);
    expect(of(normal, "unshare", 0x600)).toBe("ALLOW");
  });

  test("refuses what has been the way out of sandboxes", () => {
    const calls = `mount umount2 pivot_root open_tree move_mount fsopen fsmount chroot keyctl add_key request_key
      io_uring_setup userfaultfd perf_event_open process_vm_readv kcmp pidfd_getfd memfd_secret modify_ldt`.split(
      /\s+/,
    );
    for (const call of calls) expect([call, of(normal, call)]).toEqual([call, EPERM]);
  });

  test("lets debuggers work: own processes are traced, addresses can be fixed", () => {
    expect(of(normal, "ptrace")).toBe("ALLOW");
    expect([0, 0x4_0000, 0xffff_ffff].map((one) => of(normal, "personality", one))).toEqual([
      "ALLOW",
      "ALLOW",
      "ALLOW",
    ]);
    expect([8, 0x40_0000, 0x10_0000].map((one) => of(normal, "personality", one))).toEqual([EPERM, EPERM, EPERM]);
  });

  test("configures nothing over netlink", () => {
    expect([0, 4, 15].map((one) => of(normal, "socket", 16, 3, one))).toEqual(["ALLOW", "ALLOW", "ALLOW"]);
    for (const protocol of [6, 9, 12, 16, 21]) expect(of(normal, "socket", 16, 3, protocol)).toEqual({ errno: 93 });
  });
});

test("strict is default and less", () => {
  const calls = callNames("x86_64").filter((call) => of(normal, call) !== "ALLOW" && of(strict, call) === "ALLOW");
  expect(calls).toEqual([]);
  expect([of(strict, "ptrace"), of(strict, "unshare", 0x200), of(strict, "personality", 0)]).toEqual([
    EPERM,
    EPERM,
    EPERM,
  ]);
  expect([of(strict, "io_setup"), of(strict, "vmsplice")]).toEqual([ENOSYS, ENOSYS]);
  expect([of(strict, "memfd_create", 0, 1), of(strict, "memfd_create", 0, 9)]).toEqual([EPERM, "ALLOW"]);
  expect([of(strict, "seccomp", 1, 0), of(strict, "seccomp", 1, 8)]).toEqual(["ALLOW", EPERM]);
  expect([0, 6, 17, 262].map((one) => of(strict, "socket", 2, 1, one))).toEqual(Array(4).fill("ALLOW"));
  for (const protocol of [33, 132, 255]) expect(of(strict, "socket", 10, 1, protocol)).toEqual({ errno: 93 });
  expect(of(strict, "socket", 16, 3, 4)).toEqual({ errno: 93 });
});

test("dev is default and what nested sandboxes and debuggers need", () => {
  const calls = callNames("x86_64").filter((call) => of(normal, call) === "ALLOW" && of(dev, call) !== "ALLOW");
  expect(calls).toEqual([]);
  const more = `clone3 unshare setns mount fsopen pivot_root process_vm_readv kcmp keyctl io_uring_setup perf_event_open
    userfaultfd chroot personality sethostname`.split(/\s+/);
  for (const call of more) expect([call, of(dev, call, 8)]).toEqual([call, "ALLOW"]);
  expect(of(dev, "clone", 0x1000_0011)).toBe("ALLOW");
});

test("a capability opens the calls that belong to it, and no other one does", () => {
  for (const { calls, opens = [] } of GUARDED)
    for (const call of calls.split(/\s+/).filter((name) => !["ptrace", "unshare"].includes(name)))
      for (const capability of CAPABILITIES) {
        const right = opens.includes(capability) ? "ALLOW" : EPERM;
        expect([call, capability, of(profileFilter("default", [capability]), call)]).toEqual([call, capability, right]);
      }
  expect(of(profileFilter("strict", ["SYS_PTRACE"]), "ptrace")).toBe("ALLOW");
  const admin = profileFilter("default", ["SYS_ADMIN"]);
  expect([of(admin, "clone", 0x1000_0000), of(admin, "clone3"), of(admin, "unshare", 1)]).toEqual([
    "ALLOW",
    "ALLOW",
    "ALLOW",
  ]);
  expect(of(profileFilter("default", ["NET_RAW"]), "socket", 17, 3)).toBe("ALLOW");
  expect(of(profileFilter("strict", ["NET_ADMIN"]), "socket", 16, 3, 12)).toBe("ALLOW");
});

test("a policy has its profile's filter, the same one each time, and the host's none", () => {
  const policy = (profile: "strict" | "default" | "dev" | "host") => policyOf({ security: { profile } });
  expect(filterFor(policy("host"))).toBeUndefined();
  expect(filterFor(policy("default"))).toBe(normal);
  expect(filterFor(policy("strict"))).toBe(strict);
  expect(filterFor(policy("dev"))).toBe(profileFilter("dev", ["SYS_CHROOT", "NET_RAW", "KILL"]));
});

test("the tether may wait, write and leave; it may kill everybody and nobody", () => {
  const allowed = callNames("x86_64").filter((call) => of(TETHER_FILTER, call) !== "KILL_PROCESS");
  expect(allowed.sort()).toEqual(
    `clock_gettime close close_range dup3 exit_group getpid getrusage ppoll pwrite64 read rt_sigtimedwait waitid
     write`.split(/\s+/),
  );
  expect(of(TETHER_FILTER, "kill", 0xffff_ffff_ffff_ffffn, 9)).toBe("ALLOW");
  for (const [pid, signal] of [
    [0xffff_ffffn, 15n],
    [2n, 9n],
    [0n, 9n],
  ] as const)
    expect(of(TETHER_FILTER, "kill", pid, signal)).toBe("KILL_PROCESS");
});

describe("under a supervisor", () => {
  test("each denial is asked about, what programs expect is not, and the listener can be handed over", () => {
    const asking = reporting(normal, 5);
    expect([of(asking, "mount"), of(asking, "ustat"), of(asking, "ioctl", 0, 0x5412)]).toEqual(
      Array(3).fill("USER_NOTIF"),
    );
    expect([of(asking, "read"), of(asking, "clone3")]).toEqual(["ALLOW", ENOSYS]);
    expect(of(reporting(TETHER_FILTER, 5), "mount")).toBe("KILL_PROCESS");
    expect(reporting(normal, 5)).toBe(asking);
    expect(reporting(normal, 6)).not.toBe(asking);
    for (const call of callNames("x86_64"))
      expect([call, of(asking, call) === "USER_NOTIF"]).toEqual([
        call,
        denialOf(normal, call, []) !== undefined && call !== "clone3",
      ]);
  });

  test("the answer to a denial is the filter's own", () => {
    expect(denialOf(normal, "mount", [])).toBe(1);
    expect(denialOf(normal, "socket", [40n])).toBe(97);
    expect(denialOf(normal, undefined, [])).toBe(38);
    expect(denialOf(normal, "read", [])).toBeUndefined();
  });

  test("who learns hears of everything but the listener", () => {
    const all = learning(7, 3);
    expect(callNames("x86_64").filter((call) => of(all, call) !== "USER_NOTIF")).toEqual(["exit_group"]);
    expect([of(all, "write", 3), of(all, "write", 4)]).toEqual(["ALLOW", "USER_NOTIF"]);
    expect([of(all, "sendmsg", 7), of(all, "sendmsg", 8)]).toEqual(["ALLOW", "USER_NOTIF"]);
    expect(callNumber("sendmsg", "aarch64")).toBe(211);
  });
});

test("a filter is told in a few short lines", () => {
  const lines = describeFilter(normal);
  expect(lines).toEqual([
    expect.stringMatching(/^ENOSYS 1 call: clone3$/),
    expect.stringMatching(/^allow \d+ calls$/),
    expect.stringMatching(/^EPERM \d+ calls: mount umount2 .* and \d+ more$/),
    expect.stringMatching(/^by argument \d+ calls: .*ioctl.*/),
    "otherwise ENOSYS",
    "kill whatever calls as another architecture does",
  ]);
  for (const line of lines) expect(line.length).toBeLessThan(200);
  expect(describeFilter(TETHER_FILTER)).toContain("otherwise kill process");
});
