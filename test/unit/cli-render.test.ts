import { describe, expect, test } from "bun:test";
import { exitOfError, exitOfJob } from "#cli/exit.ts";
import { serverOf } from "#cli/context.ts";
import { curlLine } from "#cli/curl.ts";
import { durationValue } from "#cli/duration.ts";
import { idOf } from "#cli/names.ts";
import { nearest } from "#cli/nearest.ts";
import { toProblem } from "#cli/problem.ts";
import { renderError } from "#cli/render/error.ts";
import { renderJobs } from "#cli/render/jobs.ts";
import { flagOf } from "#cli/render/pointers.ts";
import { age, humanMicros, humanSize } from "#cli/render/quantity.ts";
import { renderStatus } from "#cli/render/status.ts";
import { compileTemplate } from "#cli/render/template.ts";
import { signalName } from "#cli/signals.ts";
import { eventsOf } from "#cli/sse.ts";
import { CODES, type Code, TeleError } from "#errors";
import { ended, makeJob } from "#test/support/cli-server.ts";

const usage = makeJob("a").usage;

describe("errors", () => {
  test("say what is wrong and what to do", () => {
    const error = new TeleError("NOT_FOUND", { detail: "no job is called x", hint: "list them" });
    expect(renderError(error, false)).toBe("error: no job is called x\nhint: list them\n");
  });

  test("speak of flags where the API speaks of pointers, all faults at once", () => {
    const faults = [
      { pointer: "/limits/memory", detail: "must be at least 1048576 bytes" },
      { pointer: "/env/A", detail: "must not hold a NUL byte" },
      { pointer: "/command/2", detail: "must not hold a NUL byte" },
    ];
    expect(renderError(new TeleError("INVALID_ARGUMENT", { detail: "3 faults", faults }), false)).toBe(
      "error: 3 things are wrong:\n  --memory must be at least 1048576 bytes\n  --env A must not hold a NUL byte\n" +
        "  argument 2 of the command must not hold a NUL byte\n",
    );
    expect(flagOf("/limits/io/wbps")).toBe("--io wbps");
    expect(flagOf("?jobId")).toBe("--name");
    expect(flagOf("/else/where")).toBe("/else/where");
    expect(flagOf("/mounts/0/source")).toBe("mount 1's source");
    expect(flagOf("/mounts/2")).toBe("mount 3");
    expect(flagOf("/security/capAdd/1")).toBe("--cap-add");
    expect(flagOf("/security/seccomp/syscalls/3/action")).toBe("--seccomp at /syscalls/3/action");
    expect(flagOf("/security/clock/boottime")).toBe("--clock-offset boottime");
    expect(flagOf("/ulimits/core")).toBe("--ulimit core");
  });

  test("name the step to blame once", () => {
    const fields = { step: "pivot.swap", errno: "EINVAL" };
    const bare = new TeleError("START_FAILED", { detail: "the job did not start", ...fields });
    expect(renderError(bare, false)).toBe("error: the job did not start (pivot.swap: EINVAL)\n");
    const full = new TeleError("START_FAILED", { detail: 'pivot.swap: pivot_root(".", "."): EINVAL', ...fields });
    expect(renderError(full, false)).toBe('error: pivot.swap: pivot_root(".", "."): EINVAL\n');
  });

  test("cannot draw on the terminal", () => {
    const error = new TeleError("INTERNAL", { detail: "a\x1b[2Jb\nc" });
    expect(renderError(error, false)).toBe("error: a\\x1b[2Jb\\nc\n");
  });

  test("that nobody foresaw are told in their own words", () => {
    expect(renderError(new Error("boom"), false)).toBe("error: boom (TELE_DEBUG=1 shows more)\n");
  });

  test("have an exit status for every code", () => {
    const statuses = Object.keys(CODES).map((code) => exitOfError(new TeleError(code as Code, { detail: "" })));
    expect(statuses.every((status) => [1, 2, 3, 125].includes(status))).toBe(true);
    const start = (errno: string) =>
      exitOfError(new TeleError("START_FAILED", { detail: "", step: "workload.exec", errno }));
    expect([start("ENOENT"), start("EACCES"), start("ENOEXEC")]).toEqual([127, 126, 126]);
    const setup = new TeleError("START_FAILED", { detail: "", step: "pivot.swap", errno: "ENOENT" });
    expect(exitOfError(setup)).toBe(125);
  });

  test("come out of problem documents with all their parts", () => {
    const problem = {
      type: "urn:tele:problem:START_FAILED",
      title: "Start failed",
      status: 422,
      detail: "d",
      step: "s.t",
      errno: "EIO",
      hint: "h",
      instance: "/v1/jobs/a",
    };
    const contentType = "application/problem+json";
    const error = toProblem({ status: 422, contentType, text: JSON.stringify(problem) }, "https://host:1");
    expect(error.code).toBe("START_FAILED");
    expect(error.fields).toEqual({ detail: "d", hint: "h", step: "s.t", errno: "EIO", resource: "jobs/a" });
    for (const text of ["<html>", "{}", "[1]", '{"type":"urn:tele:problem:NEW"}']) {
      expect(toProblem({ status: 502, contentType, text }, "https://host:1").message).toBe(
        "https://host:1 does not answer as tele does (HTTP 502)",
      );
    }
  });
});

describe("a job's own status", () => {
  test("is its exit code, 128+n for a signal, 125 when it is lost", () => {
    expect(exitOfJob({ reason: "EXITED", exitCode: 7, usage })).toBe(7);
    expect(exitOfJob({ reason: "SIGNALED", signal: "SIGSEGV", usage })).toBe(139);
    expect(exitOfJob({ reason: "LOST", usage })).toBe(125);
  });
});

describe("tables", () => {
  const first = "019aa8f3-1b2c-7c1e-9d0e-0242ac120002";
  const second = "019aa8f3-1b2d-7c1e-9d0e-0242ac120002";
  const third = "019aa8f3-1b2d-7d1e-9d0e-0242ac120002";
  const now = Date.parse("2026-11-22T12:00:00Z");
  const style = { width: undefined, paint: (_color: string, text: string) => text };
  const createTime = "2026-11-22T11:00:00.000000000Z";

  test("show names as short as they stay distinct, in full with --no-trunc", () => {
    const jobs = [first, second, third, "backup"].map((id) => makeJob(id, { createTime }));
    const lines = renderJobs(jobs, now, { ...style, trunc: true }).split("\n");
    expect(lines[0]).toMatch(/^JOB +COMMAND +STATE +OWNER +AGE +PID$/);
    expect(lines.slice(1).map((line) => line.split(" ")[0])).toEqual([
      "019aa8f3-1b2c",
      "019aa8f3-1b2d-7c1e",
      "019aa8f3-1b2d-7d1e",
      "backup",
      "",
    ]);
    expect(lines[1]).toBe("019aa8f3-1b2c       /bin/sh -c 'sleep 30'  RUNNING  admin  60m  4242");
    expect(renderJobs(jobs, now, { ...style, trunc: false })).toContain(`jobs/${third}  `);
  });

  test("cut long commands, and escape what would draw", () => {
    const spec = { ...makeJob("a").spec, command: ["echo", "\x1b[31m", "x".repeat(100)] };
    const table = renderJobs([makeJob("a", { spec })], now, { ...style, trunc: true });
    expect(table).toContain("echo '\\x1b[31m' xxxx");
    expect(table).toContain("…");
    expect(table).not.toContain("\x1b");
  });

  test("fit the terminal", () => {
    const spec = { ...makeJob("a").spec, command: ["echo", "x".repeat(100)] };
    const jobs = [makeJob(first, { spec }), makeJob("b")];
    const widest = (width: number) =>
      Math.max(
        ...renderJobs(jobs, now, { ...style, trunc: true, width })
          .split("\n")
          .map((line) => line.length),
      );
    expect([60, 80, 132].map(widest)).toEqual([60, 80, 132]);
  });

  test("without jobs are the head alone", () => {
    expect(renderJobs([], now, { ...style, trunc: true })).toBe("JOB  COMMAND  STATE  OWNER  AGE  PID\n");
  });

  test("say why a job ended, and what does not hold a limit", () => {
    const job = ended(makeJob("a"), {
      state: "FAILED",
      reason: "OOM_KILLED",
      end: { reason: "OOM_KILLED", signal: "SIGKILL", usage },
    });
    const page = renderStatus(job, now, style.paint);
    expect(page).toContain("State     FAILED (OOM_KILLED)");
    expect(page).toContain("End       ended by SIGKILL, after 5 s");
    expect(page).toMatch(/io, write +40 MiB\/s, 1000\/s +nothing: no such controller/);
    expect(page).toMatch(/memory-high +384 MiB +cgroup2/);
    expect(page.split("\n").every((line) => line.length <= 80)).toBe(true);
  });
});

describe("the page of a job", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  const plain = (_color: string, text: string) => text;
  const base = makeJob("a");
  const spec = { ...base.spec, security: { profile: "dev" as const } };

  test("has a line for each hardening, with words where there is more to say than that the kernel holds it", () => {
    const enforced = {
      ...base.enforced,
      userns: { by: "kernel", how: "uid 0 is 1065536 outside, 65536 ids" },
      namespaces: { by: "kernel", how: "pid, mount", why: "net shared with the host" },
      capabilities: { by: "kernel", how: Array.from({ length: 14 }, () => "NET_BIND_SERVICE").join(", ") },
      noNewPrivileges: { by: "none", why: "relaxed by the profile dev" },
      landlock: { by: "none", why: "not asked for" },
      keyring: { by: "kernel" },
    } as const;
    const job = makeJob("a", { spec, enforced, userns: { start: 1_065_536, count: 65_536 } });
    const page = renderStatus(job, now, plain);
    expect(page).toContain("Ids       0-65535 are 1065536-1131071 on the host\n");
    expect(page).toContain("\nSandbox (profile dev)\n  userns             uid 0 is 1065536 outside, 65536 ids\n");
    expect(page).toContain("\n  namespaces         pid, mount; net shared with the host\n");
    expect(page).toContain("\n  no-new-privileges  nothing: relaxed by the profile dev\n");
    expect(page).toContain("\n  keyring            kernel\n");
    expect(page.split("\n").every((line) => line.length <= 80)).toBe(true);
    const yellow = renderStatus(job, now, (color, text) => (color === "yellow" ? `<${text}>` : text));
    expect(yellow).toMatch(/<.*no-new-privileges.*>/);
    expect(yellow).not.toMatch(/<.*landlock.*>/);
  });

  test("of a job of an older version has no such lines", () => {
    const { security: _, ...old } = base.spec;
    expect(renderStatus(makeJob("a", { spec: old as typeof base.spec }), now, plain)).not.toContain("Sandbox");
  });

  test("names the system calls that were denied", () => {
    const end = { reason: "EXITED", exitCode: 0, usage } as const;
    const denied = [
      { call: "ptrace", count: 3 },
      { call: "mount", count: 1 },
    ];
    const page = (deniedCalls: typeof denied) =>
      renderStatus(ended(base, { end: { ...end, deniedCalls } }), now, plain);
    expect(page(denied)).toContain("Denied    ptrace ×3, mount\n");
    expect(page([])).toContain("Denied    no system call\n");
    expect(renderStatus(ended(base), now, plain)).not.toContain("Denied");
  });
});

describe("quantities", () => {
  test("read well at every size", () => {
    expect([0, 1023, 1024, 1536, 12_582_912, 2 ** 40].map(humanSize)).toEqual([
      "0 B",
      "1023 B",
      "1 KiB",
      "1.5 KiB",
      "12 MiB",
      "1 TiB",
    ]);
    expect([0, 850, 12_000, 3_200_000, 59_990_000, 245e6, 3600e6, 90_000e6].map(humanMicros)).toEqual([
      "0 µs",
      "850 µs",
      "12 ms",
      "3.2 s",
      "59.9 s",
      "4 min 5 s",
      "1 h",
      "1 d 1 h",
    ]);
  });

  test("of age count up, and a clock ahead of ours gives zero", () => {
    const now = Date.parse("2026-11-22T12:00:00Z");
    const at = (seconds: number) => age(new Date(now - seconds * 1000).toISOString(), now);
    expect([-5, 5, 119, 600, 7199, 7200, 90_000, 172_800].map(at)).toEqual([
      "0s",
      "5s",
      "119s",
      "10m",
      "119m",
      "2h",
      "25h",
      "2d",
    ]);
  });

  test("of time take docker's bare seconds", () => {
    expect(durationValue("--grace", "30")).toBe("30s");
    expect(durationValue("--grace", "1h30m")).toBe("1h30m");
    expect(() => durationValue("--grace", "soon")).toThrow('--grace must be a duration, not "soon"');
  });
});

describe("templates", () => {
  test("print fields, and JSON of them", () => {
    const job = makeJob("a", { labels: { app: "web" } });
    expect(compileTemplate("{{.name}}\\t{{ .usage.pids }} {{json .labels}} {{.end.exitCode}}|")(job)).toBe(
      'jobs/a\t2 {"app":"web"} |',
    );
    expect(compileTemplate("{{json .}}")({ a: 1 })).toBe('{"a":1}');
    expect(compileTemplate("{{.toString}}")({})).toBe("");
  });

  test("refuse what they cannot read", () => {
    expect(() => compileTemplate("{{range .}}")).toThrow("--format cannot read {{range .}}");
  });
});

describe("names and words", () => {
  test("of jobs are taken with and without jobs/", () => {
    expect([idOf("jobs/a-1"), idOf("a-1"), idOf("019aa8f3-1b")]).toEqual(["a-1", "a-1", "019aa8f3-1b"]);
    for (const word of ["", "jobs/", "A", "a/b", "../x", "-a", "a".repeat(64)])
      expect(() => idOf(word)).toThrow("no job's name");
  });

  test("of signals are taken as kill takes them", async () => {
    expect(await Promise.all(["KILL", "SIGKILL", "hup", "9", "sigusr1"].map(signalName))).toEqual([
      "SIGKILL",
      "SIGKILL",
      "SIGHUP",
      "SIGKILL",
      "SIGUSR1",
    ]);
    const refused = (word: string) => signalName(word).catch((error: unknown) => error);
    expect(await refused("KIL")).toMatchObject({ fields: { hint: "did you mean KILL?" } });
    expect(await refused("99")).toMatchObject({ message: '"99" is no signal' });
  });

  test("that are mistyped have a nearest, others have none", async () => {
    expect(await nearest("stp", ["start", "stop", "ps"])).toBe("stop");
    expect(await nearest("xyzzy", ["start", "stop", "ps"])).toBeUndefined();
  });

  test("of servers have the default port, and only https", () => {
    const of = (host: string) => serverOf(host, "--host");
    expect(["h", "h:7", "h:443", "::1", "[::1]:7", "10.0.0.1", "https://h:443", "https://h"].map(of)).toEqual([
      "https://h:6443",
      "https://h:7",
      "https://h:443",
      "https://[::1]:6443",
      "https://[::1]:7",
      "https://10.0.0.1:6443",
      "https://h:443",
      "https://h:6443",
    ]);
    expect(() => of("http://h")).toThrow("not https");
    for (const host of ["h h", "https://h/x", "u@h", "h:99999"]) expect(() => of(host)).toThrow("is no server");
  });
});

test("a curl line is one shell line, however wild the words", () => {
  const context = { name: "default", server: "https://h:1", ca: "/a b/ca.crt", cert: "/c", key: "/k" };
  const body = { command: ["sh", "-c", "echo 'x' $HOME `id`\n"] };
  const line = curlLine(context, { method: "POST", path: "/v1/jobs", query: { jobId: "a", none: undefined }, body });
  const { stdout } = Bun.spawnSync(["sh", "-c", `printf '%s\\0' ${line}`]);
  const files = ["--cacert", "/a b/ca.crt", "--cert", "/c", "--key", "/k"];
  const content = ["-H", "content-type: application/json", "--data", JSON.stringify(body)];
  const expected = ["curl", "--fail-with-body", "--silent", "--show-error", ...files, ...content];
  expect(stdout.toString().split("\0")).toEqual([...expected, "https://h:1/v1/jobs?jobId=a", ""]);
});

test("server-sent events are read across chunks of any size", async () => {
  const text = ': hello\n\nid: 7\nevent: job.ended\ndata: {"a":\ndata: "é"}\n\ndata: x\r\n\r\ndata: unfinished';
  const bytes = Buffer.from(text);
  for (const size of [1, 3, 1000]) {
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const events = await Array.fromAsync(eventsOf(chunks()));
    expect(events).toEqual([
      { event: "job.ended", data: '{"a":\n"é"}', id: "7" },
      { event: "message", data: "x", id: "7" },
    ]);
  }
});
