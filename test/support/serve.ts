/** `tele serve` from its sources, in a place of its own. */
import { randomUUID } from "node:crypto";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init } from "#certs/init.ts";
import { TELE } from "./cli-run.ts";
import type { Place } from "./leaks.ts";
import { until } from "./until.ts";

/** A daemon under way. */
export interface Served {
  readonly pid: number;
  readonly port: number;
  /** What it has said so far. */
  said(): string;
  /** Sends the signal and resolves with how it ended. */
  end(signal: NodeJS.Signals): Promise<{ status: number | null; signal: NodeJS.Signals | null }>;
}

/** Where daemons of one test live. */
export interface Ground extends Place {
  readonly folder: string;
  readonly configDir: string;
  /** The environment of a client. */
  readonly env: Readonly<Record<string, string>>;
  /** The words after `tele` that serve here. */
  words(port?: number): string[];
  /** Starts one and waits until it serves. */
  serve(port?: number): Promise<Served>;
  /** Kills what still runs. */
  end(): Promise<void>;
  /** Removes the folder. */
  remove(): void;
}

let made = 0;

/** A state directory, a cgroup name, and certificates for localhost. */
export async function makeGround(): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), "tele-test-serve-"));
  const configDir = join(folder, "config");
  await init({ dir: configDir });
  made += 1;
  const stateDirectory = join(folder, "state");
  const cgroupName = `tele-test-serve-${randomUUID().slice(0, 8)}-${made}`;
  const running = new Set<Served>();
  const words = (port = 0): string[] => [
    "serve",
    "--listen",
    `127.0.0.1:${port}`,
    "--state-dir",
    stateDirectory,
    "--config-dir",
    configDir,
    "--cgroup-name",
    cgroupName,
  ];
  return {
    folder,
    configDir,
    stateDirectory,
    cgroupName,
    env: { TELE_CONFIG_DIR: configDir },
    words,
    async serve(asked) {
      const [program, ...before] = TELE;
      const child = spawn(program, [...before, ...words(asked)], {
        env: { PATH: process.env["PATH"] ?? "" },
        stdio: ["ignore", "ignore", "pipe"],
      });
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      const ended = new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((resolve) =>
        child.on("close", (status, signal) => resolve({ status, signal })),
      );
      let over = false;
      void ended.then(() => (over = true));
      const port = await until("it serves", () => {
        if (over) throw new Error(`the daemon ended: ${said}`);
        return /serving https:\/\/\S+:(\d+),/.exec(said)?.[1];
      }).catch((error: unknown) => {
        child.kill("SIGKILL");
        throw error;
      });
      const served: Served = {
        pid: child.pid ?? -1,
        port: Number(port),
        said: () => said,
        async end(signal) {
          child.kill(signal);
          const how = await ended;
          running.delete(served);
          return how;
        },
      };
      running.add(served);
      return served;
    },
    async end() {
      for (const served of running) await served.end("SIGKILL");
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
