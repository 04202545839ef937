// Filters in the form of the OCI runtime specification: what is read, what is refused, and what --learn writes.
import { describe, expect, test } from "bun:test";
import { SECCOMP_FILTER_FLAG } from "#ffi/abi/seccomp.ts";
import { compile } from "#program/seccomp/compile.ts";
import { outcome } from "#program/seccomp/filter.ts";
import { fromOci, ociFaults, toOci } from "#program/seccomp/oci.ts";
import { filterFor } from "#program/seccomp/policy-filter.ts";
import { type OciSeccomp, OciSeccompSchema } from "#spec/oci-seccomp.ts";

const parse = (json: unknown): OciSeccomp => OciSeccompSchema.parse(json);

/** As podman and docker write them into a container's config.json. */
const usual = parse({
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 38,
  architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
  flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"],
  syscalls: [
    { names: ["read", "chown32", "socketcall", "riscv_hwprobe", "open"], action: "SCMP_ACT_ALLOW", args: null },
    { names: ["bdflush", "mount"], action: "SCMP_ACT_ERRNO", errnoRet: 1, comment: "no" },
    {
      names: ["clone"],
      action: "SCMP_ACT_ALLOW",
      args: [{ index: 0, value: 2114060288, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
    },
    {
      names: ["socket"],
      action: "SCMP_ACT_ERRNO",
      errnoRet: 22,
      args: [
        { index: 0, value: 16, op: "SCMP_CMP_EQ" },
        { index: 2, value: 9, op: "SCMP_CMP_EQ" },
      ],
    },
    {
      names: ["personality"],
      action: "SCMP_ACT_ALLOW",
      args: [
        { index: 0, value: 0, op: "SCMP_CMP_EQ" },
        { index: 0, value: 0xffff_ffff, op: "SCMP_CMP_EQ" },
      ],
    },
    { names: ["socket"], action: "SCMP_ACT_ALLOW" },
    { names: ["ptrace"], action: "SCMP_ACT_KILL" },
    { names: ["reboot"], action: "SCMP_ACT_KILL_PROCESS" },
    { names: ["acct"], action: "SCMP_ACT_TRAP" },
    { names: ["sync"], action: "SCMP_ACT_LOG" },
  ],
});

describe("a filter that was given", () => {
  test("has no faults on either machine, and compiles", () => {
    for (const architecture of ["x86_64", "aarch64"] as const) {
      expect(ociFaults(usual, architecture)).toEqual([]);
      expect(compile(fromOci(usual), architecture).length).toBeGreaterThan(0);
    }
  });

  test("means what it says", () => {
    const filter = fromOci(usual);
    const of = (call: string, ...args: (number | bigint)[]) => outcome(filter, call, args.map(BigInt));
    expect(of("read")).toBe("ALLOW");
    expect(of("write")).toEqual({ errno: 38 });
    expect(of("mount")).toEqual({ errno: 1 });
    expect(of("clone", 17)).toBe("ALLOW");
    expect(of("clone", 0x1000_0011)).toEqual({ errno: 38 });
    expect(of("clone", 0x1_0000_0000_0000n)).toBe("ALLOW");
    expect(of("socket", 16, 3, 9)).toEqual({ errno: 22 });
    expect(of("socket", 16, 3, 0)).toBe("ALLOW");
    expect([of("personality", 0), of("personality", 0xffff_ffff)]).toEqual(["ALLOW", "ALLOW"]);
    expect(of("personality", 8)).toEqual({ errno: 38 });
    expect(["ptrace", "reboot", "acct", "sync"].map((call) => of(call))).toEqual([
      "KILL_THREAD",
      "KILL_PROCESS",
      "TRAP",
      "LOG",
    ]);
    expect(filter.flags).toBe(SECCOMP_FILTER_FLAG.LOG);
  });

  test("is the same filter each time, so that it is compiled once", () => {
    expect(fromOci(usual)).toBe(fromOci(usual));
    expect(filterFor({ seccomp: usual, capabilities: [] })).toBe(fromOci(usual));
  });

  test("without an error of its own answers EPERM", () => {
    const filter = fromOci(parse({ defaultAction: "SCMP_ACT_ERRNO" }));
    expect(outcome(filter, "read", [])).toEqual({ errno: 1 });
  });

  test("is refused with all its faults at once, each with its place and the way out", () => {
    const wrong = parse({
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_S390X", "x86"],
      flags: ["SECCOMP_FILTER_FLAG_NEW_LISTENER"],
      syscalls: [
        { names: ["read"], action: "SCMP_ACT_LOG" },
        { names: ["write", "opnat", "qqqqqqqqqqq"], action: "SCMP_ACT_LOG" },
      ],
    });
    expect(ociFaults(wrong, "x86_64")).toEqual([
      {
        pointer: "/security/seccomp/syscalls/1/names/1",
        detail: "there is no system call opnat; did you mean openat?",
      },
      { pointer: "/security/seccomp/syscalls/1/names/2", detail: "there is no system call qqqqqqqqqqq" },
      {
        pointer: "/security/seccomp/architectures",
        detail: "must have SCMP_ARCH_X86_64, which this host is, or be left out",
      },
      { pointer: "/security/seccomp/architectures/1", detail: "there is no architecture x86" },
      {
        pointer: "/security/seccomp/flags/0",
        detail:
          "SECCOMP_FILTER_FLAG_NEW_LISTENER is not supported; the ones that are: SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW",
      },
    ]);
  });

  test("that is too long for the kernel is a fault as well", () => {
    const long = parse({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: Array.from({ length: 1000 }, (_, value) => ({
        names: ["read"],
        action: "SCMP_ACT_LOG",
        args: [0, 1, 2].map((index) => ({ index, value: value + index, op: "SCMP_CMP_EQ" })),
      })),
    });
    expect(ociFaults(long, "aarch64")).toEqual([
      { pointer: "/security/seccomp", detail: expect.stringMatching(/needs \d+ instructions; the kernel takes 4096/) },
    ]);
  });
});

describe("the smallest filter for some calls", () => {
  test("allows these, once each, and is read as it was written", () => {
    const oci = toOci(["write", "read", "exit_group", "read"]);
    expect(parse(JSON.parse(JSON.stringify(oci)))).toEqual(oci);
    expect(oci.syscalls).toEqual([{ names: ["exit_group", "read", "write"], action: "SCMP_ACT_ALLOW" }]);
    expect(ociFaults(oci, "x86_64")).toEqual([]);
    const filter = fromOci(oci);
    expect(outcome(filter, "read", [])).toBe("ALLOW");
    expect(outcome(filter, "open", [])).toEqual({ errno: 38 });
  });

  test("is one too where nothing was called", () => {
    expect(parse(toOci([]))).toEqual(toOci([]));
    expect(ociFaults(toOci([]), "x86_64")).toEqual([]);
  });
});
