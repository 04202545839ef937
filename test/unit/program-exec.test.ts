// Where a command is looked for, and which of the errors on the way is told.
import { describe, expect, test } from "bun:test";
import { plan } from "#program/compose.ts";
import { DEFAULT_PATH } from "#program/phases/99-exec.ts";
import type { Step } from "#program/step.ts";
import type { JobSpecInput } from "#spec/schema.ts";
import { input } from "#test/golden/inputs.ts";

const execs = (spec: JobSpecInput): Step[] => plan(input(spec)).steps.filter(({ call }) => call === "execve");

const pathOf = ({ args: [path] }: Step): string => (typeof path === "string" ? path : "no path");
const paths = (steps: readonly Step[]): string[] => steps.map(pathOf);

/**
 * How the steps end where each path gives the named error; the kernel's part of the search, played by the steps' own
 * rules: an error that is tolerated leads to the next step.
 */
function search(steps: readonly Step[], errors: Readonly<Record<string, string>>): string {
  for (const step of steps) {
    const { label, tolerate } = step;
    const path = pathOf(step);
    const error = errors[path];
    if (error === undefined) return `runs ${path}`;
    if (!tolerate?.includes(error as "ENOENT")) return `${label}: ${error}`;
  }
  throw new Error("a program runs or fails");
}

test("a name with a slash is run as it is, relative to the working directory", () => {
  for (const name of ["/bin/true", "./run", "tools/run", "/"]) {
    const steps = execs({ command: [name], env: { PATH: "/a:/b" } });
    expect(paths(steps)).toEqual([name]);
    expect(steps[0]).toMatchObject({ label: "workload.exec" });
    expect(steps[0]).not.toHaveProperty("tolerate");
  }
});

describe("a name without a slash", () => {
  const tried = (path: string | undefined): string[] =>
    paths(
      execs({ command: ["x"], env: path === undefined ? {} : { PATH: path } }).filter(({ label }) =>
        /exec-/.test(label),
      ),
    );

  test("is looked for along the job's own PATH, in its order", () => {
    expect(tried("/b:/a:/c/d")).toEqual(["/b/x", "/a/x", "/c/d/x"]);
  });

  test("is looked for along the usual path where the job has none", () => {
    expect(tried(undefined)).toEqual(DEFAULT_PATH.split(":").map((directory) => `${directory}/x`));
  });

  test("is looked for in the working directory where PATH has an empty entry (execvp(3))", () => {
    expect(tried("")).toEqual(["./x"]);
    expect(tried(":/a")).toEqual(["./x", "/a/x"]);
    expect(tried("/a::/b:")).toEqual(["/a/x", "./x", "/b/x"]);
  });

  test("is looked for once in a directory that is there twice", () => {
    expect(tried("/a:/b:/a")).toEqual(["/a/x", "/b/x"]);
  });

  test("is not looked for in more than 256 directories", () => {
    const path = Array.from({ length: 5000 }, (_, index) => `/${index}`).join(":");
    expect(tried(path).length).toBe(256);
    expect(tried(":".repeat(100_000))).toEqual(["./x"]);
  });

  test("has the same arguments and environment at every try", () => {
    const steps = execs({ command: ["x", "1"], env: { PATH: "/a:/b", K: "V" } });
    for (const { args } of steps) {
      expect(args[1]).toEqual({ vector: ["x", "1"] });
      expect(args[2]).toEqual({ vector: ["PATH=/a:/b", "HOME=/root", "K=V"] });
      // The very same lists, so that the data of the program holds them once.
      expect(args[1]).toBe(steps[0]?.args[1] ?? 0);
      expect(args[2]).toBe(steps[0]?.args[2] ?? 0);
    }
  });
});

describe("the search", () => {
  const steps = execs({ command: ["x"], env: { PATH: "/a:/b:/c" } });
  const everywhere = (error: string): Record<string, string> => ({ "/a/x": error, "/b/x": error, "/c/x": error });

  test("runs the first that can be run", () => {
    expect(search(steps, {})).toBe("runs /a/x");
    expect(search(steps, { "/a/x": "ENOENT" })).toBe("runs /b/x");
    expect(search(steps, { "/a/x": "EACCES", "/b/x": "ENOTDIR" })).toBe("runs /c/x");
  });

  test("ends in ENOENT at workload.exec where there is none", () => {
    expect(search(steps, everywhere("ENOENT"))).toBe("workload.exec: ENOENT");
    expect(search(steps, { ...everywhere("ENOENT"), "/a/x": "ENOTDIR" })).toBe("workload.exec: ENOENT");
  });

  test("ends in EACCES where one was there that could not be run, wherever it stood", () => {
    for (const path of ["/a/x", "/b/x", "/c/x"])
      expect(search(steps, { ...everywhere("ENOENT"), [path]: "EACCES" })).toMatch(/^workload\.\S+: EACCES$/);
  });

  test("ends at once at any other error", () => {
    expect(search(steps, { "/a/x": "ENOENT", "/b/x": "ENOEXEC" })).toBe("workload.exec-2: ENOEXEC");
    expect(search(steps, { "/a/x": "E2BIG" })).toBe("workload.exec-1: E2BIG");
  });
});
