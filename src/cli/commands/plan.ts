import { hostArchitecture } from "#ffi/syscalls.ts";
import { listing } from "#program/listing.ts";
import { compile } from "#program/seccomp/compile.ts";
import { describe } from "#program/seccomp/describe.ts";
import { filterFor } from "#program/seccomp/policy-filter.ts";
import { TETHER_FILTER } from "#program/seccomp/tether.ts";
import type { Foreground } from "#runtime/foreground/prepare.ts";
import type { EnforcedBy } from "#spec/job.ts";
import type { Policy } from "#spec/policy.ts";
import { command, type Flags } from "../command.ts";
import { FOREGROUND_FLAGS, prepareAsked } from "../foreground-flags.ts";
import { print } from "../output.ts";
import { filterData } from "../render/filter.ts";

/** Bytes of `struct sock_filter`. */
const INSTRUCTION = 8;

export default command({
  name: "plan",
  description: "Show what a sandbox would be, without starting it",
  about:
    "With the flags of `tele run`: what holds, what this host cannot hold and why, and every system call that the sandbox " +
    "is made of, in order. It is the very program that `tele run` executes for this user.",
  args: {
    ...FOREGROUND_FLAGS,
    filter: { type: "boolean", description: "Print the whole system call filter as JSON, and nothing else" },
  } as const satisfies Flags,
  trailing: { valueHint: "COMMAND [ARG...]", required: true },
  examples: ["tele plan -- true", "tele plan --profile strict --filter -- true", "tele plan --json --user 33 -- id"],
  run: async ({ flags, globals, trailing }) => {
    const prepared = await prepareAsked({ path: "tele plan", flags, globals, command: trailing });
    try {
      if (flags.filter) print(`${JSON.stringify(wholeFilter(prepared), null, 2)}\n`);
      else if (globals.json) print(`${JSON.stringify(data(prepared), null, 2)}\n`);
      else print(page(prepared));
    } finally {
      await prepared.close();
    }
    return 0;
  },
});

function data({ input, program, enforced, tetherIds }: Foreground): unknown {
  const { spec, policy, identity, facts, ids } = input;
  return {
    spec,
    policy,
    identity,
    ...(ids && { ids }),
    ...(tetherIds && { tetherIds }),
    enforced,
    facts,
    namespaces: listing({ ...program, steps: [] })
      .trim()
      .split(/\s+/)
      .at(-1),
    program: listing(program).trimEnd().split("\n"),
    filter: filterText(policy),
    tetherFilter: describe(TETHER_FILTER),
  };
}

function wholeFilter({ input }: Foreground): unknown {
  return filterData(filterFor(input.policy) ?? { default: "ALLOW", rules: [] });
}

function filterText(policy: Policy): string[] {
  const filter = filterFor(policy);
  if (!filter) return ["none: every system call is allowed"];
  return [...describe(filter), `${compile(filter, hostArchitecture()).length / INSTRUCTION} instructions`];
}

function page(prepared: Foreground): string {
  const { input, program, enforced } = prepared;
  const held = Object.entries(enforced).filter(([, { by }]) => by !== "none");
  const unheld = Object.entries(enforced).filter(([, { by }]) => by === "none");
  return [
    section(
      "Policy",
      policyLines(input.policy).map(([name, text]) => line(name, text)),
    ),
    section(
      "Held",
      held.map(([name, by]) => line(name, heldText(by))),
    ),
    section(
      "Not held",
      unheld.map(([name, { why }]) => line(name, why ?? "not available")),
    ),
    section(
      "System calls of the command",
      filterText(input.policy).map((text) => `  ${text}`),
    ),
    section(
      "Program",
      listing(program)
        .trimEnd()
        .split("\n")
        .map((text) => `  ${text}`),
    ),
  ].join("\n");
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${title}:\n${lines.join("\n")}\n`;
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(16)}${text}`.trimEnd();
}

function heldText({ by, how, why }: EnforcedBy): string {
  return [by, ...(how === undefined ? [] : [how]), ...(why === undefined ? [] : [`but ${why}`])].join("; ");
}

function policyLines(policy: Policy): [name: string, text: string][] {
  const { landlock, clock } = policy;
  return [
    ["profile", policy.profile],
    ["userns", policy.userns],
    ["shared", policy.share.join(", ") || "nothing"],
    ["capabilities", policy.capabilities.join(", ") || "none"],
    ["new privileges", policy.noNewPrivileges ? "never" : "by set-user-ID programs"],
    ["system calls", typeof policy.seccomp === "string" ? policy.seccomp : "as given"],
    ["kernel files", policy.maskPaths ? "masked" : "as the host has them"],
    ["session", policy.newSession ? "its own" : "our terminal's"],
    ...(landlock
      ? ([
          ["may read", landlock.read.join(", ") || "nothing"],
          ["may write", landlock.write.join(", ") || "nothing"],
        ] as [string, string][])
      : []),
    ...(clock ? [["clocks", `monotonic ${clock.monotonic}, boottime ${clock.boottime}`] as [string, string]] : []),
  ];
}
