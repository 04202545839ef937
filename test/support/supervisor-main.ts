/** A supervisor as a process that can be killed: options in `argv[2]`, one JSON request on each line of stdin, answers on stdout. */
import { createInterface } from "node:readline";
import { TeleError } from "#errors";
import { openSupervisor, type Supervisor } from "#runtime/supervisor.ts";
import { specOf } from "./supervisor.ts";

interface Request {
  readonly n: number;
  readonly call: "start" | "get" | "stop" | "signal" | "wait" | "close";
  readonly args: readonly never[];
}

const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);
const fault = (error: unknown): object =>
  error instanceof TeleError ? { code: error.code, ...error.fields } : { code: "INTERNAL", detail: String(error) };

try {
  const supervisor = await openSupervisor({
    hide: [],
    ...(JSON.parse(process.argv[2] ?? "{}") as { stateDirectory: string; cgroupName: string }),
    fatal: (error) => {
      process.stderr.write(`${error.stack}\n`);
      process.exit(1);
    },
  });
  const calls: Record<Request["call"], (...args: never[]) => unknown> = {
    start: (spec: object, id: string) => supervisor.start({ spec: specOf(spec), owner: "tester", id }),
    get: (id: string) => supervisor.get(id),
    stop: (id: string, request: Parameters<Supervisor["stop"]>[1]) => supervisor.stop(id, request),
    signal: (id: string, signal: string) => supervisor.signal(id, signal),
    wait: (id: string) => supervisor.wait(id, AbortSignal.timeout(60_000)),
    async close() {
      await supervisor.close();
      setImmediate(() => process.exit(0));
    },
  };
  say({ ready: true });
  createInterface({ input: process.stdin }).on("line", (line) => {
    const { n, call, args } = JSON.parse(line) as Request;
    Promise.resolve()
      .then(() => calls[call](...args))
      .then(
        (result) => say({ n, result }),
        (error: unknown) => say({ n, error: fault(error) }),
      );
  });
} catch (error) {
  say({ ready: false, error: fault(error) });
  process.exitCode = 1;
}
