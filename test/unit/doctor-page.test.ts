// The page of `tele doctor`: groups, aligned columns, 80 of them, and commands that can be copied.
import { expect, test } from "bun:test";
import { painter } from "#cli/render/color.ts";
import { renderFindings, wrap } from "#cli/render/findings.ts";
import { examineHost } from "#host/doctor.ts";
import { lack, well } from "#host/doctor/finding.ts";
import { madeHost } from "#test/support/doctor-hosts.ts";

const plain = painter(false);

test("a page as it is shown", () => {
  const findings = [
    well("Kernel", "kernel", "Linux 6.18.44"),
    lack("failure", "Isolation", "user namespaces", {
      found: "AppArmor lets only programs with a profile for it use them",
      cost: "no job starts",
      remedy:
        "tele doctor --print-apparmor | sudo tee /etc/apparmor.d/tele >/dev/null && sudo apparmor_parser -r /etc/apparmor.d/tele",
    }),
    lack("warning", "Machines", "kvm", {
      found: "no /dev/kvm",
      cost: "nothing for jobs",
      remedy: "sudo modprobe kvm_intel",
    }),
  ];
  expect(renderFindings(findings, 80, plain)).toBe(`Kernel
  ok       kernel           Linux 6.18.44

Isolation
  FAILURE  user namespaces  AppArmor lets only programs with a profile for it
                            use them
           costs   no job starts
           remedy  tele doctor --print-apparmor |
                   sudo tee /etc/apparmor.d/tele >/dev/null &&
                   sudo apparmor_parser -r /etc/apparmor.d/tele

Machines
  warning  kvm              no /dev/kvm
           costs   nothing for jobs
           remedy  sudo modprobe kvm_intel

1 FAILURE keeps jobs of this user from starting; 1 thing could be better.
`);
});

test("no line of a host's page is wider than the terminal, but for words that are", () => {
  const hosts = [
    madeHost(),
    madeHost({ uid: 1000, programs: [], landlock: 0 }),
    madeHost({ uid: 4711, files: { "/proc/self/mountinfo": "" } }),
  ];
  for (const host of hosts)
    for (const line of renderFindings(examineHost(host), 80, plain).split("\n"))
      expect([
        line,
        line.length <= 80 ||
          line
            .trim()
            .split(/\s{2,}/)
            .every((part) => !part.includes(" ")),
      ]).toEqual([line, true]);
});

test("long commands end their lines where a shell goes on reading", () => {
  expect(wrap("a && b", 80)).toEqual(["a && b"]);
  expect(wrap("first command && second | third", 20)).toEqual(["first command &&", "second |", "third"]);
  expect(wrap("words that are too long for a line", 12)).toEqual(["words that", "are too long", "for a line"]);
  expect(wrap("unbreakable", 4)).toEqual(["unbreakable"]);
  expect(wrap("bell\u0007", 80)).toEqual(["bell\\x07"]);
});

test("colour marks the level and nothing else changes", () => {
  const findings = examineHost(madeHost({ uid: 1000 }));
  const painted = renderFindings(findings, 80, painter(true));
  expect(painted).toContain("\u001b[33mwarning\u001b[39m");
  // oxlint-disable-next-line no-control-regex -- they are what is taken away
  expect(painted.replaceAll(/\u001b\[\d+m/g, "")).toBe(renderFindings(findings, 80, plain));
});
