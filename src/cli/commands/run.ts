import { TeleError } from "#errors";
import { runForeground } from "#runtime/foreground.ts";
import { command, type Flags } from "../command.ts";
import { durationMs } from "../duration.ts";
import { EXIT, exitOfJob } from "../exit.ts";
import { DELEGATION, FOREGROUND_FLAGS, prepareAsked, unheldLimits } from "../foreground-flags.ts";
import { keepRun } from "../keep-run.ts";
import { note } from "../output.ts";
import { dieWithParent } from "../parent.ts";
import { openStatus } from "../status-descriptor.ts";

const GRACE = "5s";

export default command({
  name: "run",
  description: "Run a command in a sandbox, here and now",
  about:
    "Needs no daemon and no root. Everything after -- is the command; it has our input, output and terminal, and we exit " +
    "with its status. Signals are passed on, and when tele ends, so does everything in the sandbox. It sees the host's " +
    "files, read-only, in namespaces of its own, and none of our environment but TERM on a terminal: give it more with " +
    "-e. Limits hold only where they are asked for.",
  args: {
    ...FOREGROUND_FLAGS,
    "stop-grace": {
      type: "string",
      group: "Limits",
      valueHint: "TIME",
      description: `From TERM at the end of --timeout to KILL (default ${GRACE})`,
    },
    "die-with-parent": { type: "boolean", description: "End, with KILL, when the process that started us does" },
    "new-session": {
      type: "boolean",
      default: true,
      description: "A session of its own, apart from our terminal's",
      negativeDescription: "Stay in our terminal's session, as a shell with job control wants it",
    },
    "status-fd": {
      type: "string",
      valueHint: "N",
      description: "Tell its start and end, as lines of JSON, to this descriptor",
    },
    learn: {
      type: "string",
      group: "Sandbox",
      valueHint: "FILE",
      description: "Allow every system call, and write the smallest filter that does, for --seccomp",
      completes: "file",
    },
  } as const satisfies Flags,
  trailing: { valueHint: "COMMAND [ARG...]", required: true },
  examples: [
    "tele run -- make test",
    "tele run --bind $PWD:/tmp/src -w /tmp/src --memory 1Gi --timeout 5m -- ./build.sh",
    "tele run --no-new-session -- bash",
  ],
  run: async ({ flags, globals, trailing }) => {
    if (flags["die-with-parent"]) dieWithParent();
    const grace = durationMs("--stop-grace", flags["stop-grace"] ?? GRACE);
    const status = flags["status-fd"] === undefined ? undefined : openStatus(flags["status-fd"]);
    const prepared = await prepareAsked({
      path: "tele run",
      flags,
      globals,
      command: trailing,
      sameSession: !flags["new-session"],
      learn: flags.learn !== undefined,
    }).catch((error: unknown) => {
      throw withDelegation(error);
    });
    try {
      if (!globals.quiet) for (const line of unheldLimits(flags, prepared.enforced)) note(`${line}\n`);
      const ended = await runForeground(prepared, {
        graceMs: grace,
        started: (pid, enforced) => status?.({ event: "started", ...(pid !== undefined && { pid }), enforced }),
      });
      const { end, timedOut, learned } = ended;
      status?.({ event: "ended", end });
      keepRun(process.argv.slice(2), flags, prepared, process.env);
      if (flags.learn !== undefined) await writeLearned(flags.learn, learned);
      if (!globals.quiet) for (const line of remarks(end, flags)) note(`tele: ${line}\n`);
      return timedOut ? EXIT.TIMED_OUT : exitOfJob(end);
    } catch (error) {
      if (error instanceof TeleError && error.code === "START_FAILED") {
        const { detail, step, errno } = error.fields;
        const { exitOfError } = await import("../exit.ts");
        status?.({
          event: "ended",
          end: { reason: "START_FAILED", exitCode: exitOfError(error), message: detail, step, errno },
        });
      }
      throw error;
    } finally {
      await prepared.close();
    }
  },
});

/** Who may have no cgroup here can have one made by the systemd of their session. */
function withDelegation(error: unknown): unknown {
  if (!(error instanceof TeleError) || error.code !== "LIMIT_NOT_ENFORCEABLE" || process.geteuid?.() === 0)
    return error;
  return new TeleError(error.code, { ...error.fields, hint: DELEGATION }, { cause: error });
}

type End = Awaited<ReturnType<typeof runForeground>>["end"];

/** What a status alone does not tell. */
function remarks(
  end: End,
  flags: { readonly memory?: string | undefined; readonly timeout?: string | undefined },
): string[] {
  const lines: string[] = [];
  if (end.reason === "OOM_KILLED")
    lines.push(`killed for want of memory${flags.memory ? ` (--memory ${flags.memory})` : ""}`);
  if (end.reason === "TIMED_OUT") lines.push(`its time was up (--timeout ${flags.timeout ?? ""})`);
  if (end.reason === "LOST") lines.push(end.message ?? "it is not known how it ended");
  if (end.deniedCalls)
    lines.push(
      end.deniedCalls.length === 0
        ? "no system call was denied"
        : `denied: ${end.deniedCalls.map(({ call, count }) => (count === 1 ? call : `${call} (${count} times)`)).join(", ")}`,
    );
  return lines;
}

async function writeLearned(file: string, filter: unknown): Promise<void> {
  if (filter === undefined) {
    note(`tele: nothing was learned; ${file} is not written\n`);
    return;
  }
  const { writeFileSync } = await import("node:fs");
  try {
    writeFileSync(file, `${JSON.stringify(filter, null, 2)}\n`);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new TeleError("FAILED_PRECONDITION", {
      detail: `--learn ${file} cannot be written: ${errno}`,
      errno,
      hint: "name a file that you may write",
    });
  }
}
