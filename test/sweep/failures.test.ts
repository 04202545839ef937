// Every step of every golden program fails, one at a time: it is the one to blame, nothing runs, and nothing is left.
import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { call } from "#ffi/call.ts";
import { hostArchitecture } from "#ffi/syscalls.ts";
import { assemble, RELEASE_SIGNAL } from "#program/assemble.ts";
import { blame, decodeMessage, decodeRecord, MESSAGE, type Message } from "#program/report.ts";
import type { Program } from "#program/step.ts";
import { superviseCalls } from "#runtime/call-listener.ts";
import { INPUTS } from "#test/golden/inputs.ts";
import { need } from "#test/support/needs.ts";
import { until } from "#test/support/until.ts";
import { failing, swept } from "./faults.ts";
import { type Ground, ground, MARKER } from "./ground.ts";
import { start } from "./start.ts";
import { drain, ended, inside, leftBehind, namespaceOf, type Surroundings, surroundings } from "./watch.ts";

/** How a program lived. */
interface Life {
  readonly messages: readonly Message[];
  readonly output: string;
  readonly status: number;
  /** What of it was still there when its tether had been reaped. */
  readonly left: readonly string[];
}

/** Runs a program to its end: a daemon's is released as soon as it has ended. */
async function live({ means, members }: Ground, program: Program, before: Surroundings): Promise<Life> {
  const launched = start(means, assemble(program, hostArchitecture()));
  const { pid, pidfd, report, stdout, stderr, listener } = launched;
  const calls = listener === undefined ? undefined : superviseCalls(listener, () => "continue");
  const messages: Message[] = [];
  let output = "";
  const listen = (): void => {
    calls?.ready();
    const bytes = drain(report);
    for (let at = 0; at < bytes.length; at += MESSAGE.size) {
      const message = decodeMessage(bytes.subarray(at));
      if (message) messages.push(message);
    }
    for (const fd of [stdout, stderr]) if (fd >= 0) output += Buffer.from(drain(fd)).toString();
  };
  let status: number | undefined;
  let namespace = "";
  try {
    namespace = namespaceOf(pid);
    status = await until(
      `the end; said: ${JSON.stringify(messages)}`,
      () => {
        listen();
        if (messages.some(({ kind }) => kind === "ended")) call("pidfd_send_signal", pidfd, RELEASE_SIGNAL, 0, 0);
        return ended(pidfd);
      },
      10_000,
    );
    listen();
  } finally {
    if (status === undefined) {
      call("pidfd_send_signal", pidfd, 9, 0, 0);
      await until("the tether is reaped", () => ended(pidfd));
    }
    calls?.close();
    for (const fd of [pidfd, report, stdout, stderr]) if (fd >= 0) call("close", fd);
  }
  if (means.output !== undefined) output += readFileSync(means.output, "utf8");
  const left = [
    ...inside(namespace).map((one) => `process ${one}`),
    ...members().map((one) => `member ${one} of its cgroup`),
    ...leftBehind(before),
  ];
  return { messages, output, status, left };
}

/** What is wrong with the end of a program whose step failed. */
async function faultsOf(place: Ground, index: number, before: Surroundings): Promise<string[]> {
  const { program, errno } = failing(place.program, index);
  const life = await live(place, program, before);
  const failures = life.messages.flatMap((message) => (message.kind === "failed" ? [message] : []));
  const blamed = failures
    .map((failure) => blame(program.steps, failure))
    .map(({ step, errno: name }) => `${step}: ${name}`);
  const expected = `${program.steps[index]?.label}: ${errno}`;
  const found: string[] = life.left.map((one) => `leaves ${one}`);
  if (blamed.join() !== expected) found.push(`blames ${blamed.join(" and ") || "nobody"}`);
  if (life.output !== "") found.push(`writes ${JSON.stringify(life.output)}`);
  if (life.status !== 125) found.push(`leaves with ${life.status}`);
  const record = decodeRecord(readFileSync(place.means.record));
  if (record && record.exitCode !== 125) found.push(`records ${record.exitCode ?? `signal ${record.signal}`}`);
  return found.map((what) => `${expected}: ${what}`);
}

let [total, of] = [0, 0];
afterAll(() => console.log(`steps swept: ${total}/${of}, failing`));

for (const [name, golden] of Object.entries(INPUTS)) {
  test(`${name}: every step that fails is the one to blame, nothing runs and nothing is left`, async () => {
    need("root", "cgroup");
    const place = ground(name, golden);
    try {
      // Once as it is: what fails here without our doing would be blamed on the wrong step.
      const whole = await live(place, place.program, surroundings());
      const kinds = whole.messages.map((message) =>
        message.kind === "failed" ? JSON.stringify(blame(place.program.steps, message)) : message.kind,
      );
      expect({ ...whole, messages: kinds }).toEqual({
        messages: ["started", "ended"],
        output: MARKER,
        status: 0,
        left: [],
      });
      const before = surroundings();
      const found: string[] = [];
      const indices = swept(place.program);
      for (const index of indices) {
        const faults = await faultsOf(place, index, before);
        if (faults.length === 0) total++;
        found.push(...faults);
      }
      of += indices.length;
      console.log(
        `steps swept: ${indices.length - new Set(found.map((one) => one.split(":")[0])).size}/${indices.length} of ${name}, failing`,
      );
      expect(found).toEqual([]);
    } finally {
      await place.clear();
    }
  }, 120_000);
}
