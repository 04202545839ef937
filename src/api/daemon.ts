/** One daemon: the supervisor, the app over it, the listener in front of it, put together and taken apart again. */
import { closeSync, openSync, writeSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import { join } from "node:path";
import type { CgroupFacts } from "#host/cgroup/facts.ts";
import { expectedOf } from "#runtime/start.ts";
import { openSupervisor, type SupervisorOptions } from "#runtime/supervisor.ts";
import { JobSpecSchema } from "#spec/schema.ts";
import { VERSION } from "#version";
import { createApp } from "./app.ts";
import { createAudit } from "./audit.ts";
import type { CredentialPaths } from "./credentials.ts";
import { listen, type ListenOptions } from "./listener.ts";

export interface DaemonOptions extends SupervisorOptions, Pick<ListenOptions, "host" | "port" | "notice"> {
  readonly files: CredentialPaths;
}

export interface Daemon {
  readonly address: string;
  readonly port: number;
  readonly cgroups: CgroupFacts;
  /** Stops listening, lets answers finish for a moment, lets go of the jobs, which go on. */
  close(): Promise<void>;
}

/** Starts everything; what was opened is closed again when something fails. */
export async function openDaemon(options: DaemonOptions): Promise<Daemon> {
  const supervisor = await openSupervisor(options);
  // Appended to by this process alone; a rotation that copies and truncates loses nothing of it.
  const auditFile = openSync(join(options.stateDirectory, "audit.log"), "a", 0o600);
  const audit = createAudit({
    write(lines) {
      try {
        writeSync(auditFile, lines);
      } catch {
        // A full disk must not stop the jobs; the gap shows in the times of the lines.
      }
    },
  });
  const undo = async (): Promise<void> => {
    audit.flush();
    closeSync(auditFile);
    await supervisor.close();
  };
  try {
    const startTime = new Date().toISOString();
    const { ground } = supervisor;
    const standard = JobSpecSchema.parse({ command: ["/bin/true"] });
    const { files, port, host, notice } = options;
    const app = createApp({
      report: (error) => notice?.({ kind: "failure", error }),
      jobs: supervisor,
      audit,
      host: () => ({
        version: VERSION,
        startTime,
        hostname: hostname(),
        kernel: release(),
        architecture: arch() === "x64" ? "x86_64" : "aarch64",
        cpus: cpus().length,
        memoryBytes: totalmem(),
        enforced: expectedOf(ground, standard),
      }),
    });
    const listener = await listen({
      app,
      audit,
      files,
      port,
      ...(host !== undefined && { host }),
      ...(notice && { notice }),
    });
    return {
      address: listener.address,
      port: listener.port,
      cgroups: ground.cgroups.facts,
      async close() {
        await listener.close();
        await undo();
      },
    };
  } catch (error) {
    await undo();
    throw error;
  }
}
