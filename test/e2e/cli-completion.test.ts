/** The completion scripts in the shells they are for. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { makeAuthority, makeLeaf, writeContext } from "#test/support/cli-pki.ts";
import { TELE, tele } from "#test/support/cli-run.ts";
import { type CliServer, makeJob, startCliServer } from "#test/support/cli-server.ts";
import { need } from "#test/support/needs.ts";

// A process of the command line takes a tenth of a second; on a busy machine much longer.
setDefaultTimeout(60_000);

let dir: string;
let server: CliServer;

beforeAll(async () => {
  need("openssl", "bash", "zsh", "fish");
  dir = mkdtempSync(join(tmpdir(), "tele-cli-"));
  makeAuthority(dir, "ca");
  makeLeaf(dir, { name: "server", ca: "ca", usage: "serverAuth", san: "IP:127.0.0.1" });
  makeLeaf(dir, { name: "client", ca: "ca", usage: "clientAuth" });
  server = await startCliServer(dir);
  for (const id of ["backup", "batch", "web"]) server.jobs.set(id, makeJob(id));
  writeContext(dir, server.url, { ca: "ca.crt", cert: "client.crt", key: "client.key" });
  mkdirSync(join(dir, "bin"));
  writeFileSync(join(dir, "bin/tele"), `#!/bin/sh\nexec ${TELE.map((word) => `'${word}'`).join(" ")} "$@"\n`);
  chmodSync(join(dir, "bin/tele"), 0o755);
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = await tele(["completion", shell]);
    writeFileSync(join(dir, `tele.${shell}`), stdout);
  }
});

afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Runs a program with our `tele` in its PATH. The server lives in this process, so nothing here may block it. */
async function output(...command: string[]): Promise<string> {
  const env = {
    HOME: dir,
    TERM: "xterm",
    PATH: `${join(dir, "bin")}${delimiter}${process.env["PATH"] ?? ""}`,
    TELE_CONFIG_DIR: dir,
  };
  const child = Bun.spawn(command, { env, cwd: dir, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${err}${out}`);
  return out;
}

/** What bash offers for the last of these words. */
async function bash(...words: string[]): Promise<string[]> {
  const script = `source tele.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tele; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return (await output("bash", "--norc", "-c", script, "bash", ...words)).split("\n").filter((line) => line !== "");
}

/** What fish offers at the end of this line, without the descriptions. */
async function fish(line: string): Promise<string[]> {
  const lines = (await output("fish", "--no-config", "-c", `source tele.fish; complete -C '${line}'`)).split("\n");
  return lines.filter((one) => one !== "").map((one) => one.split("\t")[0] ?? "");
}

describe("bash", () => {
  test("completes commands, subcommands and flags", async () => {
    expect(await bash("tele", "st")).toEqual(["start", "status", "stop"]);
    expect(await bash("tele", "--json", "--host", "h", "cert", "i")).toEqual(["init", "issue"]);
    expect(await bash("tele", "watch", "--no")).toEqual(["--no-follow"]);
    expect(await bash("tele", "cert", "issue", "--ro")).toEqual(["--role"]);
    expect(await bash("tele", "nonsense-", "")).toContain("start");
  });

  test("completes names of jobs by asking the server", async () => {
    expect(await bash("tele", "stop", "ba")).toEqual(["backup", "batch"]);
    expect(await bash("tele", "stop", "web", "jobs/b")).toEqual(["jobs/backup", "jobs/batch"]);
    expect(await bash("tele", "status", "")).toEqual(["backup", "batch", "web"]);
    expect(await bash("tele", "--host", "127.0.0.1", ":", "1", "stop", "ba")).toEqual([]);
    const { hostname, port } = new URL(server.url);
    expect(await bash("tele", "--host", hostname, ":", port, "stop", "ba")).toEqual(["backup", "batch"]);
  });

  test("completes values of flags, after a space and after =", async () => {
    expect(await bash("tele", "watch", "--stream", "std")).toEqual(["stdout", "stderr"]);
    expect(await bash("tele", "watch", "--stream", "=", "std")).toEqual(["stdout", "stderr"]);
    expect(await bash("tele", "watch", "--stream", "=")).toEqual(["all", "stdout", "stderr"]);
    expect(await bash("tele", "kill", "-s", "usr")).toEqual(["USR1", "USR2"]);
    expect((await bash("tele", "start", "--env-file", "tele.")).toSorted()).toEqual([
      "tele.bash",
      "tele.fish",
      "tele.zsh",
    ]);
    expect(await bash("tele", "completion", "z")).toEqual(["zsh"]);
  });

  test("completes programs behind --", async () => {
    expect(await bash("tele", "start", "--", "openss")).toContain("openssl");
    expect(await bash("tele", "start", "--", "ls", "--st")).toEqual([]);
  });
});

describe("fish", () => {
  test("completes commands, subcommands and flags", async () => {
    expect((await fish("tele st")).toSorted()).toEqual(["start", "status", "stop"]);
    expect((await fish("tele --json --host h cert i")).toSorted()).toEqual(["init", "issue"]);
    expect(await fish("tele watch --no")).toEqual(["--no-follow"]);
    expect(await fish("tele cert issue --ro")).toEqual(["--role"]);
  });

  test("completes names of jobs and values of flags", async () => {
    expect((await fish("tele stop ba")).toSorted()).toEqual(["backup", "batch"]);
    expect((await fish("tele stop jobs/b")).toSorted()).toEqual(["jobs/backup", "jobs/batch"]);
    expect((await fish("tele watch --stream std")).toSorted()).toEqual(["stderr", "stdout"]);
    expect((await fish("tele kill -s USR")).toSorted()).toEqual(["USR1", "USR2"]);
    expect(await fish("tele completion z")).toEqual(["zsh"]);
  });

  test("completes programs behind --", async () => {
    expect(await fish("tele start -e A=1 -- openss")).toContain("openssl");
  });
});

describe("zsh", () => {
  /** Types a line with its tabs into an interactive zsh and gives back the words that `tele` was then called with. */
  async function zsh(line: string): Promise<string> {
    const script = `
      zmodload zsh/zpty
      zpty z zsh -f -i
      zpty -w z 'PS1= PS2=; stty -echo; unsetopt zle_bracketed_paste; source tele.zsh'
      zpty -w z 'compinit -u -D; tele() { if [[ "$*" == *"ps -q -a" ]]; then command tele "$@"; else print -r -- "GOT<$*>"; fi }; print REA""DY'
      for i in {1..600}; do zpty -r -t z part && text+=$part; [[ $text == *READY* ]] && break; sleep 0.05; done
      text=
      zpty -w -n z $'${line.replaceAll("\t", "\\t")}\\n'
      for i in {1..600}; do zpty -r -t z part && text+=$part; [[ $text == *'GOT<'*'>'* ]] && break; sleep 0.05; done
      print -r -- $text
      zpty -d z`;
    const text = await output("zsh", "-f", "-c", script);
    return /GOT<(.*)>/.exec(text)?.[1] ?? text;
  }

  test("completes commands, flags, values and names of jobs", async () => {
    expect(await zsh("tele stat\t")).toBe("status");
    expect(await zsh("tele cert iss\t--ro\tx")).toBe("cert issue --role x");
    expect(await zsh("tele watch --no-f\t--stream stdo\tweb")).toBe("watch --no-follow --stream stdout web");
    expect(await zsh("tele stop bac\t")).toBe("stop backup");
    expect(await zsh("tele stop jobs/w\t")).toBe("stop jobs/web");
    expect(await zsh("tele kill -s usr1\tweb")).toBe("kill -s USR1 web");
    expect(await zsh("tele start -- openss\t")).toBe("start -- openssl");
  });

  test("loads as a file of $fpath, too", async () => {
    execFileSync("zsh", ["-f", "-n", join(dir, "tele.zsh")]);
    const script = `mkdir -p functions; cp tele.zsh functions/_tele; fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[tele]`;
    expect((await output("zsh", "-f", "-c", script)).trim()).toBe("_tele");
  });
});

test("any other shell is told which there are", async () => {
  expect(await tele(["completion", "tcsh"])).toMatchObject({
    status: 2,
    stderr: 'error: there is no completion for "tcsh"\nhint: use one of: bash, zsh, fish\n',
  });
  expect((await tele(["completion"], { SHELL: "/usr/bin/fish" })).stdout).toStartWith("# fish completion");
});
