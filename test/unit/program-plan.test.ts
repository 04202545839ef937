// Planning: pure, complete, and in the order that safety needs.
import { expect, test } from "bun:test";
import { assemble } from "#program/assemble.ts";
import { plan } from "#program/compose.ts";
import { callBrief, callText, listing } from "#program/listing.ts";
import type { PlanInput } from "#program/phase.ts";
import type { Program } from "#program/step.ts";
import { faults } from "#program/verify.ts";
import { input, INPUTS } from "#test/golden/inputs.ts";

/** The same record with every object and list in it frozen. */
function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    for (const part of Object.values(value)) frozen(part);
    Object.freeze(value);
  }
  return value;
}

const labels = (program: Program): string[] => program.steps.map(({ label }) => label);
const before = (program: Program, first: string, second: string): void => {
  const order = labels(program);
  expect(order).toContain(first);
  expect(order).toContain(second);
  expect([first, second, order.indexOf(first) < order.indexOf(second)]).toEqual([first, second, true]);
};

for (const [name, of] of Object.entries(INPUTS)) {
  test(`${name}: the same input is the same program and the same bytes, and stays as it was`, () => {
    const copy = structuredClone<PlanInput>(of);
    const [first, second] = [plan(frozen(structuredClone<PlanInput>(of))), plan(of)];
    expect(first).toEqual(second);
    expect(of).toEqual(copy);
    for (const architecture of ["x86_64", "aarch64"] as const)
      expect(assemble(first, architecture)).toEqual(assemble(second, architecture));
  });

  test(`${name}: the program has no fault, and no label twice`, () => {
    const program = plan(of);
    expect(faults(program)).toEqual([]);
    expect(new Set(labels(program)).size).toBe(program.steps.length);
  });

  test(`${name}: what protects comes before what it protects from`, () => {
    const program = plan(of);
    const { policy } = of;
    before(program, "mounts.private", "root.attach");
    if (of.spec.root.type === "host") before(program, "root.read-only", "root.attach");
    before(program, "dev.null", "proc.mount");
    // In a user namespace a new /proc may be mounted only while an old one can be seen (mount_namespaces(7)).
    before(program, "proc.mount", "pivot.detach");
    before(program, "pivot.detach", "workload.fork");
    before(program, "workload.close", "workdir.enter");
    before(program, "workload.descriptors", "workload.exec");
    before(program, "identity.gid", "identity.uid");
    before(program, "identity.uid", "capabilities.drop");
    before(program, "keyring.join", "workload.await");
    before(program, "workdir.enter", "workload.await");
    if (labels(program).includes("identity.groups")) before(program, "identity.groups", "identity.gid");
    if (policy.noNewPrivileges) before(program, "privileges.lock", "workdir.enter");
    if (!policy.share.includes("cgroup")) before(program, "workload.fork", "cgroup.unshare");
    if (labels(program).includes("seccomp.install")) before(program, "capabilities.drop", "seccomp.install");
  });

  test(`${name}: the tether has dropped everything before the workload may begin`, () => {
    const own = plan(of).steps.filter((step) => step.tether);
    const order = own.map(({ label }) => label);
    expect(order.slice(-6)).toEqual([
      "guard.bound",
      "guard.ambient",
      "guard.drop",
      "guard.lock",
      "guard.filter",
      "guard.go",
    ]);
    if (of.policy.userns === "private") expect(order.indexOf("map.go")).toBe(order.length - 7);
  });

  test(`${name}: assembled, it fits beside its neighbours in a few pages`, () => {
    for (const architecture of ["x86_64", "aarch64"] as const)
      expect(assemble(plan(of), architecture).length).toBeLessThan(32_768);
  });
}

test("a joined cgroup is entered before its namespace is made", () => {
  const program = plan(input({ command: ["/bin/true"] }, { cgroup: { v2: false, v1: 2 } }));
  before(program, "cgroup.join-1", "cgroup.unshare");
  before(program, "workload.fork", "cgroup.join-0");
});

test("no more open files are given than the host has", () => {
  const text = (nofile: number, hard: number): string =>
    listing(plan(input({ command: ["/x"], limits: { nofile } }, { nofileHard: hard })));
  expect(text(1024, 4096)).toContain("{rlim_cur=1024, rlim_max=4096}");
  expect(text(8192, 4096)).toContain("{rlim_cur=4096, rlim_max=4096}");
});

test("each call is shown in full for people who review it, and briefly for people who hit it", () => {
  const program = plan(input({ command: ["/bin/true", "secret"], env: { TOKEN: "secret" } }));
  const exec = program.steps.at(-1);
  if (!exec) throw new Error("no step");
  expect(callText(exec)).toMatch(/^execve\("\/bin\/true", \["\/bin\/true", "secret"\], \[.*"TOKEN=secret"\]\)$/);
  expect(callBrief(exec)).toBe('execve("/bin/true")');
  const swap = program.steps.find(({ label }) => label === "pivot.swap");
  expect(swap && callBrief(swap)).toBe('pivot_root(".", ".")');
});
