// Whatever spec admission takes becomes a program that is whole, the same each time, and as hard as its policy says.
import { afterAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CLONE } from "#ffi/abi/clone.ts";
import { PR } from "#ffi/abi/prctl.ts";
import { callNames } from "#ffi/abi/syscall-numbers.ts";
import type { Architecture } from "#ffi/syscalls.ts";
import { fileSources } from "#host/mount-sources.ts";
import { lookupUser } from "#host/users.ts";
import { TeleError } from "#errors";
import { assemble } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import { listing } from "#program/listing.ts";
import type { PlanInput } from "#program/phase.ts";
import { outcome } from "#program/seccomp/filter.ts";
import { type FilterProfile, profileFilter } from "#program/seccomp/profiles.ts";
import type { Program } from "#program/step.ts";
import { faults } from "#program/verify.ts";
import { type AdmissionHost, admit } from "#runtime/admission.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import { conflicts } from "#spec/conflicts.ts";
import { type Facts, mapsOf } from "#spec/facts.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { policyOf, relaxations } from "#spec/policy.ts";
import { type JobSpec, type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";
import { makeFolder } from "./folder.ts";
import { isInSchema, valueAt } from "./pointers.ts";
import { settings, testMs } from "./settings.ts";
import { specs } from "./specs.ts";

const SECONDS = 10;
const folder = makeFolder();
afterAll(() => folder.remove());

const spec = specs(folder);

/** Hosts of all kinds. */
const hosts: fc.Arbitrary<Facts> = fc.record({
  ignoredSignals: fc.uniqueArray(fc.integer({ min: 1, max: 64 }), { maxLength: 5 }),
  lastCapability: fc.integer({ min: 36, max: 40 }),
  nofileHard: fc.constantFrom(4096, 524_288),
  hide: fc.constantFrom<string[]>([], ["/var/lib/tele", "/etc/tele"]),
  cgroup: fc.record({ v2: fc.boolean(), v1: fc.nat(4) }),
  privileged: fc.boolean(),
  held: fc.constantFrom(
    CAPABILITIES.map((_, number) => number),
    [0, 1, 5, 7, 21],
  ),
  landlock: fc.nat(7),
});

/** What is planned for a spec on this host; undefined where it is refused, with faults alone. */
function inputOf(asked: JobSpecInput, facts: Facts): PlanInput | undefined {
  const keeper = facts.privileged ? "daemon" : "parent";
  const host: AdmissionHost = { facts, ceiling: {}, keeper, ids: 65_536 };
  let admitted: JobSpec;
  try {
    admitted = admit(JobSpecSchema.parse(asked), host);
  } catch (error) {
    if (!(error instanceof TeleError)) throw error;
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.fields.faults).not.toEqual([]);
    for (const { pointer, detail } of error.fields.faults ?? []) {
      expect([pointer, isInSchema(pointer)]).toEqual([pointer, true]);
      expect(detail).not.toBe("");
    }
    return undefined;
  }
  return {
    spec: admitted,
    policy: policyOf(admitted),
    limits: effectiveLimits(admitted.limits),
    identity: lookupUser(admitted.user),
    facts,
    keeper,
    ids: mapsOf({ start: 1_000_000, count: 65_536 }),
    files: fileSources(admitted.mounts),
  };
}

const SIGNATURE = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1];
const MACHINES: Readonly<Record<Architecture, number>> = { x86_64: 62, aarch64: 183 };

/** What is wrong with a static ELF executable (elf(5)); nothing for a good one. */
function elfFaults(file: Uint8Array, architecture: Architecture): string[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const word = (at: number): number => Number(view.getBigUint64(at, true));
  const found: string[] = [];
  if (SIGNATURE.some((byte, index) => file[index] !== byte)) found.push("no 64-bit little-endian ELF");
  if (view.getUint16(16, true) !== 2) found.push("no ET_EXEC");
  if (view.getUint16(18, true) !== MACHINES[architecture]) found.push("another machine");
  const [entry, offset, count] = [word(24), word(32), view.getUint16(56, true)];
  const segments = Array.from({ length: count }, (_, index) => {
    const at = offset + index * 56;
    const [type, flags] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    return { type, flags, at: word(at + 8), address: word(at + 16), size: word(at + 32), memory: word(at + 40) };
  });
  const loaded = segments.filter(({ type }) => type === 1);
  if (loaded.length !== 2) found.push(`${loaded.length} segments`);
  for (const { flags, at, address, size, memory } of loaded) {
    if ((flags & 3) === 3) found.push("a segment can be written and executed");
    if (at + size > file.length || memory < size) found.push("a segment ends behind the file");
    if ((address - at) % 0x1000 !== 0) found.push("a segment's address and place differ within a page");
  }
  const [one, two] = loaded.map(({ address, memory }) => [address, address + memory] as const);
  if (one && two && one[0] < two[1] && two[0] < one[1]) found.push("the segments overlap");
  const code = loaded.find(({ flags }) => (flags & 1) === 1);
  if (!code || entry < code.address || entry >= code.address + code.size) found.push("it begins outside of its code");
  return found;
}

/** Numbers of the capabilities that a program leaves in the bounding set of its workload. */
function bounding({ steps }: Program, last: number): number[] {
  const left = new Set(Array.from({ length: last + 1 }, (_, number) => number));
  for (const { call, args, each, tether } of steps)
    if (call === "prctl" && args[0] === PR.CAPBSET_DROP && each && !tether)
      for (let number = each.first; number <= each.last; number++) left.delete(number);
  return [...left];
}

test(
  "a spec that is admitted is a program without a fault, one line a step, and the same each time",
  () => {
    let planned = 0;
    const property = fc.property(spec, hosts, (asked, facts) => {
      const input = inputOf(asked, facts);
      if (!input) return;
      planned++;
      const program = plan(input);
      expect(faults(program)).toEqual([]);
      const text = listing(program);
      const lines = text.split("\n");
      expect([lines.length, lines.pop()]).toEqual([program.steps.length + 2, ""]);
      const labels = lines.map((line) => line.split(" ")[0]);
      expect(labels).toEqual(["tether.clone", ...program.steps.map(({ label }) => label)]);
      expect(new Set(labels).size).toBe(labels.length);
      // Other objects with the same in them, so nothing that was kept can make them equal.
      const again = plan(structuredClone(input));
      expect(listing(again)).toBe(text);
      for (const architecture of ["x86_64", "aarch64"] as const) {
        const file = assemble(program, architecture);
        expect(elfFaults(file, architecture)).toEqual([]);
        expect(Buffer.compare(file, assemble(program, architecture))).toBe(0);
        expect(Buffer.compare(file, assemble(again, architecture))).toBe(0);
      }
    });
    fc.assert(property, settings(400, SECONDS));
    expect(planned).toBeGreaterThan(20);
  },
  testMs(SECONDS),
);

test(
  "a program gives its workload what the policy says, and no capability more",
  () => {
    const property = fc.property(spec, hosts, (asked, facts) => {
      const input = inputOf(asked, facts);
      if (!input) return;
      const { policy } = input;
      const program = plan(input);
      const kept = CAPABILITIES.flatMap((name, number) =>
        policy.capabilities.includes(name) &&
        number <= facts.lastCapability &&
        (policy.userns === "private" || facts.held.includes(number))
          ? [number]
          : [],
      );
      expect(bounding(program, facts.lastCapability)).toEqual(kept);
      const labels = program.steps.map(({ label }) => label);
      expect(labels.includes("privileges.lock")).toBe(policy.noNewPrivileges);
      expect(labels.includes("seccomp.install")).toBe(policy.seccomp !== "unconfined");
      expect(labels.includes("landlock.restrict")).toBe(policy.landlock !== undefined && facts.landlock > 0);
      expect(labels.filter((label) => label.startsWith("guard.")).length).toBeGreaterThan(0);
      for (const name of Object.keys(input.spec.ulimits)) expect(labels).toContain(`ulimits.${name}`);
      const fork = program.steps.find(({ forks }) => forks)?.args[0];
      if (typeof fork !== "object" || !("clone" in fork)) throw new Error("a fork without its arguments");
      const flag = (bit: number): boolean => (fork.clone.flags & BigInt(bit)) !== 0n;
      expect({ net: !flag(CLONE.NEWNET), ipc: !flag(CLONE.NEWIPC), uts: !flag(CLONE.NEWUTS) }).toEqual({
        net: policy.share.includes("net"),
        ipc: policy.share.includes("ipc"),
        uts: policy.share.includes("uts"),
      });
      expect(flag(CLONE.NEWNS)).toBe(true);
      expect(flag(CLONE.NEWUSER)).toBe(policy.userns === "private");
    });
    fc.assert(property, settings(400, SECONDS));
  },
  testMs(SECONDS),
);

describe("a policy", () => {
  test(
    "of a spec that relaxes nothing shares nothing, has no capability, and has a filter of ours",
    () => {
      const property = fc.property(spec, (asked) => {
        const parsed = JobSpecSchema.parse(asked);
        const at = relaxations(parsed);
        for (const pointer of at) {
          expect([pointer, isInSchema(pointer)]).toEqual([pointer, true]);
          expect([pointer, valueAt(parsed, pointer) === undefined]).toEqual([pointer, false]);
        }
        const policy = policyOf(parsed);
        if (at.length > 0) return;
        expect(policy).toMatchObject({
          userns: "private",
          share: [],
          capabilities: [],
          noNewPrivileges: true,
          maskPaths: true,
        });
        expect(["strict", "default"]).toContain(policy.seccomp as string);
        expect(parsed.mounts.filter(({ type }) => type === "bind")).toEqual([]);
      });
      fc.assert(property, settings(1000, SECONDS));
    },
    testMs(SECONDS),
  );

  test(
    "has every capability that is added, none that is dropped, and strict stays strict",
    () => {
      const property = fc.property(spec, (asked) => {
        const parsed = JobSpecSchema.parse(asked);
        const { capabilities, profile, ...policy } = policyOf(parsed);
        const { capAdd = [], capDrop = [], seccomp } = parsed.security;
        for (const name of capAdd) if (name !== "ALL") expect(capabilities).toContain(name);
        for (const name of capDrop)
          if (name !== "ALL" && !capAdd.includes(name)) expect(capabilities).not.toContain(name);
        const found = conflicts(parsed);
        for (const { pointer } of found) expect([pointer, isInSchema(pointer)]).toEqual([pointer, true]);
        if (profile !== "strict" || found.length > 0) return;
        expect(policy).toMatchObject({ userns: "private", noNewPrivileges: true, maskPaths: true });
        if (seccomp === undefined) expect(policy.seccomp).toBe("strict");
      });
      fc.assert(property, settings(1000, SECONDS));
    },
    testMs(SECONDS),
  );
});

describe("of the filters of the profiles", () => {
  const word = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: 0n, max: 64n }),
    fc.integer({ min: 0, max: 63 }).map((bit) => 1n << BigInt(bit)),
  );
  const calls = fc.tuple(
    fc.constantFrom(...callNames("x86_64"), ...callNames("aarch64")),
    fc.tuple(word, word, word, word, word, word),
  );
  const sets = fc.uniqueArray(fc.constantFrom(...CAPABILITIES), { maxLength: 4 });
  const allows = (
    profile: FilterProfile,
    has: readonly (typeof CAPABILITIES)[number][],
    name: string,
    args: bigint[],
  ) => outcome(profileFilter(profile, has), name, args) === "ALLOW";

  test(
    "each allows what the harder one allows, and with a capability more not one call less",
    () => {
      const property = fc.property(calls, sets, fc.constantFrom(...CAPABILITIES), ([name, args], has, more) => {
        const [strict, usual, dev] = (["strict", "default", "dev"] as const).map((one) => allows(one, has, name, args));
        expect({ name, strict, usual }).not.toEqual({ name, strict: true, usual: false });
        expect({ name, usual, dev }).not.toEqual({ name, usual: true, dev: false });
        for (const profile of ["strict", "default", "dev"] as const)
          if (allows(profile, has, name, args)) expect(allows(profile, [...has, more], name, args)).toBe(true);
      });
      fc.assert(property, settings(20_000, SECONDS));
    },
    testMs(SECONDS),
  );
});
