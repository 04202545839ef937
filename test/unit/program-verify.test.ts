// What verify() refuses, fault by fault.
import { expect, test } from "bun:test";
import { CLONE, CLONE_ARGS_SIZE } from "#ffi/abi/clone.ts";
import { type Step, step } from "#program/step.ts";
import { faults, verify } from "#program/verify.ts";

const fork = step(
  "workload.fork",
  "clone3",
  [{ clone: { flags: BigInt(CLONE.VFORK), exitSignal: 17, pidfd: "main" } }, CLONE_ARGS_SIZE],
  { forks: true },
);
const exec = step("workload.exec", "execve", ["/bin/true", { vector: ["true"] }, { vector: [] }]);

const namespaces = CLONE.NEWPID | CLONE.NEWNS;
const keeper = "daemon" as const;

/** The faults of a good program with these steps in front. */
const faultsOf = (...steps: Step[]): string[] => faults({ namespaces, keeper, steps: [...steps, fork, exec] });

test("a good program has no fault and passes through verify as it is", () => {
  const program = { namespaces, keeper, steps: [fork, exec] };
  expect(faults(program)).toEqual([]);
  expect(verify(program)).toBe(program);
});

for (const label of [
  "chdir",
  "Phase.verb",
  "phase.",
  ".verb",
  "phase.verb.more",
  "phase.two words",
  "phase_x.verb",
  "",
]) {
  test(`the label ${JSON.stringify(label)} is refused`, () => {
    expect(faultsOf(step(label, "setsid", []))).toEqual([`${label}: a label is phase.verb`]);
  });
}

test("a label that is there twice is refused", () => {
  const twice = step("session.new", "setsid", []);
  expect(faultsOf(twice, twice)).toEqual(["session.new: this label is there twice"]);
});

test("too few and too many arguments are refused", () => {
  expect(faultsOf(step("a.few", "chdir", []), step("a.many", "setsid", [0]))).toEqual([
    "a.few: chdir takes 1 arguments, not 0",
    "a.many: setsid takes 0 arguments, not 1",
  ]);
});

test("NUL is refused in strings and in lists of strings", () => {
  expect(faultsOf(step("a.path", "chdir", ["/tmp\0/x"]))).toEqual(["a.path: a string holds NUL"]);
  expect(faultsOf(step("a.argv", "execve", ["/x", { vector: ["x", "y\0"] }, { vector: ["A=\0"] }]))).toEqual([
    "a.argv: a string holds NUL",
    "a.argv: a string holds NUL",
  ]);
});

test("numbers that are not safe integers are refused", () => {
  for (const number of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
    expect(faultsOf(step("a.number", "umask", [number]))).toEqual([`a.number: ${number} is no integer`]);
});

test("a slot is used after a step has saved it, not before and not by the same step", () => {
  const save = step("a.save", "openat", [-100, "/", 0, 0], { save: "root" });
  const use = step("a.use", "fchdir", [{ slot: "root" }]);
  expect(faultsOf(save, use)).toEqual([]);
  expect(faultsOf(use, save)).toEqual(["a.use: root is used before a step saves it"]);
  expect(faultsOf(step("a.itself", "dup3", [{ slot: "x" }, 5, 0], { save: "x" }))).toEqual([
    "a.itself: x is used before a step saves it",
  ]);
});

test("what the kernel fills is used after it is filled", () => {
  const fill = step("a.fill", "pipe2", [{ out: "ends" }, 0]);
  const use = step("a.use", "close", [{ from: "ends" }]);
  expect(faultsOf(fill, use)).toEqual([]);
  expect(faultsOf(use, fill)).toEqual(["a.use: ends is used before a step fills it"]);
  expect(faults({ namespaces, keeper, steps: [fork, step("a.main", "close", [{ from: "main" }]), exec] })).toEqual([]);
});

test("the number of a round stands only in a step that goes round", () => {
  const drop = step("a.drop", "prctl", [24, { round: true }, 0, 0, 0]);
  expect(faultsOf(drop)).toEqual(["a.drop: round stands outside of each"]);
  expect(faultsOf({ ...drop, each: { first: 0, last: 3 } })).toEqual([]);
  expect(faultsOf({ ...drop, each: { first: 4, last: 3 } })).toEqual(["a.drop: each ends before it begins"]);
});

test("what a step may have failed to save is used only where EBADF is tolerated", () => {
  const save = step("a.save", "openat", [-100, "/x", 0, 0], { save: "x", tolerate: ["ENOENT"] });
  const use = step("a.use", "close", [{ slot: "x" }]);
  expect(faultsOf(save, { ...use, tolerate: ["EBADF"] })).toEqual([]);
  expect(faultsOf(save, use)).toEqual(["a.use: x may be missing, and EBADF is not tolerated"]);
  const again = step("b.save", "openat", [-100, "/y", 0, 0], { save: "x" });
  expect(faultsOf(save, again, use)).toEqual([]);
});

test("a step of the tether stands behind the fork, and knows what was saved before it", () => {
  const save = step("a.save", "openat", [-100, "/x", 0, 0], { save: "x" });
  const use: Step = { ...step("b.use", "close", [{ slot: "x" }]), tether: true };
  expect(faultsOf(use)).toContain("b.use: a step of the tether stands before the fork");
  expect(faults({ namespaces, keeper, steps: [save, fork, use, exec] })).toEqual([]);
  expect(faults({ namespaces, keeper, steps: [fork, save, use, exec] })).toEqual([
    "b.use: x is used before a step saves it",
  ]);
});

test("a step that forks tolerates nothing and goes round nothing", () => {
  const loose = { ...fork, tolerate: ["EAGAIN" as const] };
  expect(faults({ namespaces, keeper, steps: [loose, exec] })).toEqual([
    "workload.fork: a fork is done once and must succeed",
  ]);
});

test("a program forks exactly once", () => {
  expect(faults({ namespaces, keeper, steps: [exec] })).toEqual(["a program forks once, not 0 times"]);
  expect(faultsOf({ ...fork, label: "other.fork" })).toEqual(["a program forks once, not 2 times"]);
});

test("a program ends in an execve that tolerates nothing", () => {
  const end = "a program ends in an execve that tolerates nothing";
  expect(faults({ namespaces, keeper, steps: [fork] })).toEqual([end]);
  expect(faults({ namespaces, keeper, steps: [fork, exec, step("a.late", "setsid", [])] })).toEqual([end]);
  expect(faults({ namespaces, keeper, steps: [fork, { ...exec, tolerate: ["ENOENT"] }] })).toEqual([end]);
  expect(faults({ namespaces, keeper, steps: [] })).toEqual(["a program forks once, not 0 times", end]);
});

test("a program has a pid and a mount namespace of its own", () => {
  const own = "a program has a pid and a mount namespace of its own";
  for (const some of [0, CLONE.NEWPID, CLONE.NEWNS, CLONE.NEWNET | CLONE.NEWIPC | CLONE.NEWUTS])
    expect(faults({ namespaces: some, keeper, steps: [fork, exec] })).toEqual([own]);
});

test("verify tells of every fault at once", () => {
  const steps = [step("One", "chdir", ["a\0b"]), step("b.few", "chdir", [])];
  expect(() => verify({ namespaces, keeper, steps })).toThrow(
    "a faulty program: One: a label is phase.verb; One: a string holds NUL; b.few: chdir takes 1 arguments, not 0; " +
      "a program forks once, not 0 times; a program ends in an execve that tolerates nothing",
  );
});
