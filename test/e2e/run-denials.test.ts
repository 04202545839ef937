// `tele run` as shipped: what is denied is told, and what is learned is enough, as root and as an ordinary user.
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EndRecord } from "#spec/job.ts";
import { need } from "#test/support/needs.ts";
import { projectRoot } from "#test/support/sources.ts";

const TELE = join(projectRoot, "dist/tele");
const TEST_MS = 60_000;
/** Who runs it: the words in front of tele. */
const USERS = {
  root: [],
  "an ordinary user": ["setpriv", "--reuid", "61234", "--regid", "61234", "--clear-groups"],
} as const;

/** What goes through a shell, so that descriptors can be opened there. */
function run(user: readonly string[], line: string): { status: number | null; out: string; err: string } {
  const [program, ...words] = [...user, "sh", "-c", line] as const;
  const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8", timeout: TEST_MS, cwd: "/" });
  return { status, out: stdout, err: stderr };
}

/** A folder that everybody may write into, gone afterwards. */
function inFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "tele-run-denials-"));
  try {
    chmodSync(folder, 0o777);
    use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const HELLO = String.raw`cd /tmp && printf "#include <stdio.h>\nint main(void) { puts(\"hello\"); }\n" > hello.c &&
  gcc -o hello hello.c && ./hello`;
const PROGRAMS: Readonly<Record<string, string>> = {
  "a pipeline": `sh -c 'ls -l / | wc -l; sort /etc/passwd | head'`,
  curl: "curl --version",
  gcc: `sh -c '${HELLO}'`,
  threads: `/usr/bin/python3 -c 'import json, threading
threads = [threading.Thread(target=print, args=(json.dumps([n]),)) for n in range(4)]
for thread in threads:
    thread.start()
    thread.join()'`,
};

for (const [who, user] of Object.entries(USERS)) {
  test(
    `${who}: denied calls are told on stderr and in the status, and the program gets its errors`,
    () => {
      need("root", "dist/tele", "setpriv");
      const script = String.raw`perl -e '$! = 0; syscall(250, 0, -3) for 1 .. 3; print $! + 0, "\n"'; unshare -m true; exit 4`;
      inFolder((folder) => {
        const status = join(folder, "status");
        const line = `${TELE} run --report-denied --status-fd 3 3>${status} -- sh -c '${script.replaceAll("'", `'\\''`)}'`;
        const { status: code, out, err } = run(user, line);
        expect({ code, out }).toEqual({ code: 4, out: "1\n" });
        expect(err).toContain("Operation not permitted");
        expect(err).toMatch(/keyctl.*3/);
        const events = readFileSync(status, "utf8").trim().split("\n");
        const { end } = JSON.parse(events.at(-1) ?? "{}") as { end: EndRecord };
        expect(end).toMatchObject({
          reason: "EXITED",
          exitCode: 4,
          deniedCalls: [
            { call: "keyctl", count: 3 },
            { call: "unshare", count: 1 },
          ],
        });
      });
    },
    TEST_MS,
  );

  for (const [what, program] of Object.entries(PROGRAMS))
    test(
      `${who}: ${what} runs under the filter that its run was learned to need`,
      () => {
        need("root", "dist/tele", "setpriv", "curl", "gcc", "python3");
        inFolder((folder) => {
          const file = join(folder, "filter.json");
          const first = run(user, `${TELE} run --learn=${file} -- ${program}`);
          expect(first.status).toBe(0);
          const again = run(
            user,
            `${TELE} run --seccomp ${file} --report-denied --status-fd 3 3>${file}.status -- ${program}`,
          );
          expect(again).toMatchObject({ status: 0, out: first.out });
          const { end } = JSON.parse(readFileSync(`${file}.status`, "utf8").trim().split("\n").at(-1) ?? "{}") as {
            end: EndRecord;
          };
          expect(end.deniedCalls).toEqual([]);
          expect(run(user, `${TELE} run --seccomp ${file} -- ${program}`)).toMatchObject({ status: 0, out: first.out });
        });
      },
      TEST_MS,
    );
}
