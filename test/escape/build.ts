/** Compiles the probes and the host around them, both static: they run in any root file system. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { need } from "#test/support/needs.ts";

/** One attempt to get out of a sandbox. */
export interface Probe {
  readonly name: string;
  readonly topic: string;
}

export interface Built {
  /** Where everybody may read: what is below is on the host's tree that sandboxes see. */
  readonly folder: string;
  readonly probe: string;
  readonly hostSide: string;
  /** exchange.c */
  readonly exchange: string;
  readonly probes: readonly Probe[];
  remove(): void;
}

const FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-result", "-static", "-no-pie"];

/** Builds into a folder of its own. Throws MissingNeed without gcc, and what gcc says where it does not compile. */
export function buildProbes(): Built {
  need("root", "gcc");
  const sources = join(import.meta.dirname, "probes");
  const folder = mkdtempSync("/var/tmp/tele-probes-");
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const compile = (name: string, files: readonly string[]): string => {
    const program = join(folder, name);
    execFileSync("gcc", [...FLAGS, "-o", program, ...files], { stdio: ["ignore", "inherit", "inherit"] });
    return program;
  };
  try {
    const files = readdirSync(sources).filter((name) => name.endsWith(".c"));
    const probe = compile(
      "probe",
      files.map((name) => join(sources, name)),
    );
    const hostSide = compile("host-side", [join(import.meta.dirname, "host-side.c")]);
    const exchange = compile("exchange", [join(import.meta.dirname, "exchange.c")]);
    const list = execFileSync(probe, ["--list"], { encoding: "utf8" }).trim().split("\n");
    const probes = list.map((line): Probe => {
      const [name = "", topic = ""] = line.split(" ");
      return { name, topic };
    });
    return { folder, probe, hostSide, exchange, probes, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
