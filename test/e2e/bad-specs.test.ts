// What a daemon says of a spec that it cannot take on: all of it at once, and nothing is started.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseContexts, resolveContext } from "#certs/context.ts";
import { openClient } from "../property/client.ts";
import { expectNoLeaks } from "#test/support/leaks.ts";
import { need } from "#test/support/needs.ts";
import { type Ground, makeGround } from "#test/support/serve.ts";

interface Problem {
  readonly detail: string;
  readonly faults?: { pointer: string; detail: string }[];
}

test("form and host are examined together, every fault by its pointer, before anything is made", async () => {
  need("root", "cgroup");
  const ground = await makeGround();
  try {
    await expectNoLeaks(ground, () => ask(ground));
  } finally {
    await ground.end();
    ground.remove();
  }
});

async function ask(ground: Ground): Promise<void> {
  const served = await ground.serve();
  const file = join(ground.configDir, "config.json");
  const context = resolveContext(parseContexts(readFileSync(file, "utf8"), file), ground.configDir);
  const pem = (path: string): string => readFileSync(path, "utf8");
  const client = openClient(`https://localhost:${served.port}`, {
    ca: pem(context.ca),
    cert: pem(context.cert),
    key: pem(context.key),
  });
  const start = async (spec: object): Promise<[number, Problem]> => {
    const { status, text } = await client.send("POST", "/v1/jobs", Buffer.from(JSON.stringify(spec)));
    return [status, JSON.parse(text) as Problem];
  };
  const pointers = ([, { faults = [] }]: [number, Problem]): string[] => faults.map(({ pointer }) => pointer).sort();
  try {
    const mixed = await start({
      command: ["/bin/true"],
      workdir: "relative",
      user: "nosuchuser",
      mounts: [
        { type: "bind", source: "/nonexistent/source", target: "/tmp/here" },
        { type: "bind", source: "/etc", target: "/nonexistent/target" },
      ],
      security: { capAdd: ["NOPE"], profile: "strict", maskPaths: false },
    });
    expect(mixed[0]).toBe(400);
    expect(pointers(mixed)).toEqual([
      "/mounts/0/source",
      "/mounts/1/target",
      "/security/capAdd/0",
      "/security/maskPaths",
      "/user",
      "/workdir",
    ]);
    const filter = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [{ names: ["execve", "exit_group", "no_such_call", "write"], action: "SCMP_ACT_ALLOW" }],
    };
    const calls = await start({ command: ["/bin/true"], user: "70000", security: { seccomp: filter } });
    expect(pointers(calls)).toEqual(["/security/seccomp/syscalls/0/names/2", "/user"]);
    for (const [, { faults }] of [mixed, calls]) for (const fault of faults ?? []) expect(fault.detail).toMatch(/\S/);
    const { text } = await client.send("GET", "/v1/jobs");
    expect((JSON.parse(text) as { jobs?: unknown[] }).jobs ?? []).toEqual([]);
  } finally {
    client.close();
    expect(await served.end("SIGTERM")).toEqual({ status: 0, signal: null });
  }
}
