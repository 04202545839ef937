/** Every command: its one line of help here, so that `tele --help` loads none of them, and the rest in its own file. */
import type { TeleCommand } from "./command.ts";

export interface Entry {
  readonly summary: string;
  readonly load: () => Promise<TeleCommand>;
  /** It asks no server, and its start counts: nothing is loaded but itself. */
  readonly local?: boolean;
}

export const GROUPS: readonly { readonly title: string; readonly commands: Readonly<Record<string, Entry>> }[] = [
  {
    title: "Here",
    commands: {
      run: {
        summary: "Run a command in a sandbox, here and now",
        load: async () => (await import("./commands/run.ts")).default,
        local: true,
      },
      plan: {
        summary: "Show what a sandbox would be, without starting it",
        load: async () => (await import("./commands/plan.ts")).default,
        local: true,
      },
    },
  },
  {
    title: "Jobs",
    commands: {
      start: {
        summary: "Start a job and print its name",
        load: async () => (await import("./commands/start.ts")).default,
      },
      ps: { summary: "List jobs", load: async () => (await import("./commands/ps.ts")).default },
      status: {
        summary: "Show everything about a job",
        load: async () => (await import("./commands/status.ts")).default,
      },
      watch: {
        summary: "Show a job's output from its first byte",
        load: async () => (await import("./commands/watch.ts")).default,
      },
      wait: { summary: "Wait for jobs to end", load: async () => (await import("./commands/wait.ts")).default },
      stop: { summary: "Stop jobs", load: async () => (await import("./commands/stop.ts")).default },
      kill: { summary: "Send a signal to jobs", load: async () => (await import("./commands/kill.ts")).default },
      rm: {
        summary: "Forget closed jobs and their output",
        load: async () => (await import("./commands/rm.ts")).default,
      },
      events: {
        summary: "Follow what happens to jobs",
        load: async () => (await import("./commands/events.ts")).default,
      },
    },
  },
  {
    title: "Server",
    commands: {
      serve: { summary: "Serve the API on this host", load: async () => (await import("./commands/serve.ts")).default },
      cert: { summary: "Make and manage certificates", load: async () => (await import("./commands/cert.ts")).default },
      doctor: {
        summary: "Say what this host offers and lacks",
        load: async () => (await import("./commands/doctor.ts")).default,
      },
    },
  },
  {
    title: "Other",
    commands: {
      completion: {
        summary: "Print a completion script for a shell",
        load: async () => (await import("./commands/completion.ts")).default,
      },
      help: {
        summary: "Show the help page of a command",
        load: async () => (await import("./commands/help.ts")).default,
      },
    },
  },
];

/** Commands by name. */
export const COMMANDS: Readonly<Record<string, Entry>> = Object.assign({}, ...GROUPS.map((group) => group.commands));
