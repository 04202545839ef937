// What random specs have found: each was taken, and ended in a hang or at a step that nobody could explain.
import { expect, test } from "bun:test";
import { admissionFaults, daemonHost } from "#runtime/admission.ts";
import { type JobSpecInput, JobSpecSchema } from "#spec/schema.ts";

const HELD = Array.from({ length: 41 }, (_, number) => number);
const CAP_SYS_RESOURCE = 24;

function faultsOf(spec: Partial<JobSpecInput>, held: readonly number[] = HELD): string[] {
  const facts = { privileged: true, lastCapability: 40, nofileHard: 524_288, hide: [], held };
  const parsed = JobSpecSchema.parse({ command: ["/bin/true"], ...spec });
  return admissionFaults(parsed, daemonHost(facts, {})).map(({ pointer, detail }) => `${pointer} ${detail}`);
}

test("a filter that lets no program begin or end is refused", () => {
  const faults = (filter: NonNullable<NonNullable<JobSpecInput["security"]>["seccomp"]>): string[] =>
    faultsOf({ security: { seccomp: filter } });
  const begins = "/security/seccomp does not allow execve, with which the program itself begins; allow it";
  const ends = "/security/seccomp answers exit_group with an error, so that no program could end; allow it";
  expect(faults({ defaultAction: "SCMP_ACT_ERRNO" })).toEqual([begins, ends]);
  expect(faults({ defaultAction: "SCMP_ACT_KILL_PROCESS" })).toEqual([begins]);
  const denied = (name: string, args: { index: number; value: number; op: "SCMP_CMP_EQ" }[] = []): string[] =>
    faults({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: [name], action: "SCMP_ACT_ERRNO", args }] });
  expect(denied("execve")).toEqual([begins]);
  expect(denied("exit_group")).toEqual([ends]);
  const some = [{ index: 0, value: 3, op: "SCMP_CMP_EQ" as const }];
  expect([denied("execve", some), denied("exit_group", some)]).toEqual([[], [ends]]);
  const names = ["execve", "exit_group"];
  expect(faults({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names, action: "SCMP_ACT_ALLOW" }] })).toEqual([]);
});

test("a target below another mount is looked for there, however deep that lies in what is new", () => {
  const bind = { type: "bind" as const, source: "/usr", readOnly: true };
  const [below] = faultsOf({
    mounts: [
      { ...bind, target: "/tmp/a/b/c" },
      { ...bind, target: "/tmp/a/b/c/no-such" },
    ],
  });
  expect(below).toStartWith("/mounts/1/target /tmp/a/b/c/no-such does not exist in /usr, which is mounted there");
  expect(
    faultsOf({
      mounts: [
        { ...bind, target: "/tmp/a/b/c" },
        { ...bind, target: "/tmp/a/b/c/bin" },
        { ...bind, target: "/tmp/a/b/d" },
      ],
    }),
  ).toEqual([]);
});

test("nothing is mounted into another /proc or /dev", () => {
  for (const type of ["proc", "dev"] as const)
    expect(
      faultsOf({
        mounts: [
          { type, target: "/tmp/a/b" },
          { type: "tmpfs", target: "/tmp/a/b/c" },
        ],
      }),
    ).toEqual([
      `/mounts/1/target /tmp/a/b/c is in /tmp/a/b, which has the kernel's own files as /${type} has; choose another place`,
    ]);
});

test("limits above our own hard ones need CAP_SYS_RESOURCE, which root of a container may lack", () => {
  const ulimits = { nofile: { soft: 1, hard: 1 }, core: { soft: 0, hard: 0 }, nice: { soft: 0, hard: 2 ** 40 } };
  expect(faultsOf({ ulimits })).toEqual([]);
  const [fault, ...more] = faultsOf(
    { ulimits },
    HELD.filter((number) => number !== CAP_SYS_RESOURCE),
  );
  expect(fault).toMatch(/^\/ulimits\/nice must be at most \d+, the hard limit of who starts the job$/);
  expect(more).toEqual([]);
});
