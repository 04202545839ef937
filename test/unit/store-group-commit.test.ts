import { expect, test } from "bun:test";
import { createGroupCommit } from "#runtime/store/group-commit.ts";

/** A disk whose syncs end when the test says so. */
function disk() {
  const syncs: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const sync = () => new Promise<void>((resolve, reject) => void syncs.push({ resolve, reject }));
  return { syncs, commits: createGroupCommit(sync) };
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function watched(promise: Promise<void>) {
  const seen = { state: "waiting" };
  promise.then(
    () => (seen.state = "done"),
    (error: unknown) => (seen.state = (error as Error).message),
  );
  return seen;
}

test("nothing written needs no sync", async () => {
  const { syncs, commits } = disk();
  await commits.durable();
  expect(syncs.length).toBe(0);
});

test("one sync serves all that was written before it", async () => {
  const { syncs, commits } = disk();
  commits.written();
  commits.written();
  const waiting = [watched(commits.durable()), watched(commits.durable())];
  await turn();
  expect(syncs.length).toBe(1);
  syncs[0]?.resolve();
  await turn();
  expect(waiting.map((w) => w.state)).toEqual(["done", "done"]);
  await commits.durable();
  expect(syncs.length).toBe(1);
});

test("what is written during a sync waits for the next one, all in one, never two at a time", async () => {
  const { syncs, commits } = disk();
  commits.written();
  const first = watched(commits.durable());
  await turn();
  const later = Array.from({ length: 50 }, () => {
    commits.written();
    return watched(commits.durable());
  });
  await turn();
  expect(syncs.length).toBe(1);
  syncs[0]?.resolve();
  await turn();
  expect(first.state).toBe("done");
  expect(later.every((w) => w.state === "waiting")).toBe(true);
  expect(syncs.length).toBe(2);
  syncs[1]?.resolve();
  await turn();
  expect(later.every((w) => w.state === "done")).toBe(true);
  expect(syncs.length).toBe(2);
});

test("a caller between the end of one sync and the start of the next does not start a third", async () => {
  const { syncs, commits } = disk();
  commits.written();
  const first = commits.durable();
  commits.written();
  const second = commits.durable();
  await turn();
  const third = first.then(() => {
    commits.written();
    return commits.durable();
  });
  syncs[0]?.resolve();
  await turn();
  expect(syncs.length).toBeLessThanOrEqual(2);
  syncs[1]?.resolve();
  await turn();
  syncs[2]?.resolve();
  await Promise.all([second, third]);
});

test("a sync that failed is final: all who wait and all who come get its error", async () => {
  const { syncs, commits } = disk();
  commits.written();
  const first = watched(commits.durable());
  commits.written();
  const second = watched(commits.durable());
  await turn();
  syncs[0]?.reject(new Error("EIO"));
  await turn();
  expect([first.state, second.state]).toEqual(["EIO", "EIO"]);
  expect(syncs.length).toBe(1);
  expect(commits.durable()).rejects.toThrow("EIO");
  expect(() => commits.check()).toThrow("EIO");
});
