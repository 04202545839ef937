// Whatever somebody sends instead of a spec is answered, with a problem document where it is none.
import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { MAX_BODY_BYTES } from "#api/body.ts";
import { faultsOf } from "#api/problem.ts";
import { JobSpecSchema } from "#spec/schema.ts";
import { startApiServer } from "#test/support/api-server.ts";
import { bodies, mutated } from "./bodies.ts";
import { expectHealthy, expectProblem, openClient } from "./client.ts";
import { makeFolder } from "./folder.ts";
import { settings, testMs } from "./settings.ts";
import { specs } from "./specs.ts";

const SECONDS = 15;
const folder = makeFolder();
afterAll(() => folder.remove());

const spec = specs(folder);

/** The value of a body, where it is UTF-8 and JSON; an empty one is an empty object. */
function valueOf(body: Uint8Array): { readonly value: unknown } | undefined {
  try {
    return { value: body.length === 0 ? {} : JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body)) };
  } catch {
    return undefined;
  }
}

test(
  "the schema answers every value with a spec or with faults",
  () => {
    const anything = fc.oneof(
      mutated(spec).map((text) => valueOf(Buffer.from(text))?.value),
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withNullPrototype: true,
        withSparseArray: true,
        withTypedArray: true,
      }),
      fc.record(
        { command: fc.anything(), mounts: fc.anything(), security: fc.anything(), ulimits: fc.anything() },
        { requiredKeys: [] },
      ),
    );
    const property = fc.property(anything, (value) => {
      const parsed = JobSpecSchema.safeParse(value, { reportInput: true });
      if (parsed.success) {
        // What was taken can be kept and read again.
        const kept = JSON.parse(JSON.stringify(parsed.data)) as unknown;
        expect(kept).toEqual(parsed.data as never);
        return;
      }
      const faults = faultsOf(parsed.error, JobSpecSchema);
      expect(faults.length).toBeGreaterThan(0);
      for (const { pointer, detail } of faults) expect([typeof pointer, /\S/.test(detail)]).toEqual(["string", true]);
    });
    fc.assert(property, settings(1500, SECONDS));
  },
  testMs(SECONDS),
);

test(
  "a server answers any body with 201 where it is a spec, and otherwise with a problem",
  async () => {
    const api = await startApiServer();
    const { cert, key } = api.users.admin;
    const client = openClient(api.url, {
      ca: readFileSync(api.pki.ca, "utf8"),
      cert: readFileSync(cert, "utf8"),
      key: readFileSync(key, "utf8"),
    });
    try {
      const property = fc.asyncProperty(bodies(spec), async (body) => {
        const answer = await client.send("POST", "/v1/jobs", body);
        const found = valueOf(body);
        const isSpec = found !== undefined && JobSpecSchema.safeParse(found.value).success;
        if (body.length > MAX_BODY_BYTES) expect(expectProblem(answer)).toBe("PAYLOAD_TOO_LARGE");
        else if (!isSpec) expect(expectProblem(answer)).toBe("INVALID_ARGUMENT");
        else {
          expect(answer).toMatchObject({ status: 201, type: "application/json" });
          const { name } = JSON.parse(answer.text) as { name: string };
          api.jobs.finish(name.replace("jobs/", ""));
          expect((await client.send("DELETE", `/v1/${name}`)).status).toBe(204);
        }
        await expectHealthy(client);
      });
      await fc.assert(property, settings(400, SECONDS));
      await expectHealthy(client);
    } finally {
      client.close();
      await api.close();
    }
  },
  testMs(SECONDS),
);
