// A real daemon, of which random bodies ask to start something.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parseContexts, resolveContext } from "#certs/context.ts";
import { expectNoLeaks } from "#test/support/leaks.ts";
import { need } from "#test/support/needs.ts";
import { makeGround } from "#test/support/serve.ts";
import { bodies } from "./bodies.ts";
import { type Client, expectHealthy, expectProblem, openClient } from "./client.ts";
import { makeFolder } from "./folder.ts";
import { settings, testMs } from "./settings.ts";
import { specs } from "./specs.ts";

const SECONDS = 15;

test(
  "a real daemon stays up, whatever it is asked to start, and leaves nothing behind",
  async () => {
    need("root", "cgroup");
    const ground = await makeGround();
    const folder = makeFolder();
    try {
      await expectNoLeaks(ground, async () => {
        const served = await ground.serve();
        const config = join(ground.configDir, "config.json");
        const context = resolveContext(parseContexts(readFileSync(config, "utf8"), config), ground.configDir);
        const [ca, cert, key] = [context.ca, context.cert, context.key].map((file) => readFileSync(file, "utf8")) as [
          string,
          string,
          string,
        ];
        const client = openClient(`https://localhost:${served.port}`, { ca, cert, key });
        try {
          const property = fc.asyncProperty(bodies(specs(folder)), async (body) => {
            const answer = await client.send("POST", "/v1/jobs", body);
            if (answer.status !== 201) expectProblem(answer);
            await forgetAll(client);
          });
          await fc.assert(property, settings(200, SECONDS));
          await expectHealthy(client);
        } finally {
          client.close();
          expect(await served.end("SIGTERM")).toEqual({ status: 0, signal: null });
        }
        expect(served.said()).not.toMatch(/error|exception|\bat .+:\d+:\d+/i);
      });
    } finally {
      await ground.end();
      ground.remove();
      folder.remove();
    }
  },
  testMs(SECONDS),
);

/** Ends and forgets every job. */
async function forgetAll(client: Client): Promise<void> {
  const { jobs } = JSON.parse((await client.send("GET", "/v1/jobs")).text) as { jobs: { name: string }[] };
  for (const { name } of jobs) {
    const stopped = await client.send("POST", `/v1/${name}:stop`, Buffer.from('{"grace":"0s"}'));
    expect([stopped.status, stopped.text]).toEqual([200, stopped.text]);
    const waited = await client.send("POST", `/v1/${name}:wait`, Buffer.from('{"timeout":"10s"}'));
    expect(JSON.parse(waited.text)).toMatchObject({ phase: "CLOSED" });
    expect((await client.send("DELETE", `/v1/${name}`)).status).toBe(204);
  }
}
