/**
 * What the crash tests kill: `writer <state directory>` takes the lock, then inserts jobs, four at a time, and says
 * `inserted <id>` and `durable <id>` of each. With `--hold` it only takes the lock, says `held`, and waits.
 */
import { writeSync } from "node:fs";
import { openStateDirectory, stateDirectory } from "#runtime/state-directory.ts";
import { openStore } from "#runtime/store/store.ts";
import type { Enforced } from "#spec/job.ts";
import { JobSpecSchema } from "#spec/schema.ts";

const [path = "", mode] = process.argv.slice(2);
const state = stateDirectory(path);
openStateDirectory(state);

const say = (line: string): void => void writeSync(1, `${line}\n`);
const spec = JobSpecSchema.parse({ command: ["/bin/echo", "x".repeat(300)] });

async function insertMany(worker: number): Promise<void> {
  for (let i = 0; i < 50_000; i++) {
    const id = `w${process.pid}-${worker}-${i}`;
    const createNs = BigInt(Date.now()) * 1_000_000n;
    store.insert({ id, owner: "alice", spec, state: "RUNNING", reason: "RUNNING", createNs, enforced: {} as Enforced });
    say(`inserted ${id}`);
    store.update(id, { startNs: createNs });
    await store.durable();
    say(`durable ${id}`);
    if (i % 2) store.update(id, { state: "COMPLETED", reason: "EXITED", endNs: createNs });
  }
}

const store = openStore(state.database);
if (mode === "--hold") {
  say("held");
  setInterval(() => {}, 60_000);
} else {
  await Promise.all([0, 1, 2, 3].map(insertMany));
}
