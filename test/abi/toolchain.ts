/** The GNU tools of both machines: the host's own, and Debian's cross tools with QEMU's user emulation for the other. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Architecture, hostArchitecture } from "#ffi/syscalls.ts";
import { need } from "#test/support/needs.ts";

export const ARCHITECTURES: readonly Architecture[] = ["x86_64", "aarch64"];

/** The name of a GNU tool that works for an architecture, such as `aarch64-linux-gnu-as`. Throws MissingNeed. */
export function tool(architecture: Architecture, name: string): string {
  const full = architecture === hostArchitecture() ? name : `${architecture}-linux-gnu-${name}`;
  need(full);
  return full;
}

/** What goes in front of a program of an architecture to run it here. Throws MissingNeed. */
export function runner(architecture: Architecture): string[] {
  if (architecture === hostArchitecture()) return [];
  const emulator = `qemu-${architecture}-static`;
  need(emulator);
  return [emulator];
}

/** Runs a command to its end and gives its standard output. Throws with what it said where it fails. */
export function output(...words: readonly string[]): string {
  const [program = "", ...args] = words;
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`${words.join(" ")}: ${error?.message ?? `status ${status}`}\n${stderr}`);
  return stdout;
}

/** Calls `use` with a folder that is gone afterwards. */
export function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "tele-abi-"));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Compiles C sources into one program, runs it, and gives the lines that it prints. */
export function linesOfC(architecture: Architecture, ...sources: readonly string[]): string[] {
  return inFolder((folder) => {
    const files = sources.map((source, index) => {
      const file = join(folder, `${index}.c`);
      writeFileSync(file, source);
      return file;
    });
    const program = join(folder, "program");
    output(tool(architecture, "gcc"), "-static", "-O0", "-w", "-o", program, ...files);
    return output(...runner(architecture), program)
      .trimEnd()
      .split("\n");
  });
}

/** The bytes that the GNU assembler makes of a text; Intel syntax on x86_64. */
export function assembled(architecture: Architecture, text: string): Uint8Array {
  return inFolder((folder) => {
    const [source, object, raw] = ["code.s", "code.o", "code.bin"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(source, `${text}\n`);
    const syntax = architecture === "x86_64" ? ["-msyntax=intel", "-mnaked-reg"] : [];
    output(tool(architecture, "as"), ...syntax, "-o", object, source);
    output(tool(architecture, "objcopy"), "-O", "binary", "-j", ".text", object, raw);
    return new Uint8Array(readFileSync(raw));
  });
}

/** What objdump makes of bytes, one instruction a line, blanks single, comments gone; addresses count from 0. */
export function disassembled(architecture: Architecture, code: Uint8Array): string[] {
  const x86 = architecture === "x86_64";
  return inFolder((folder) => {
    const file = join(folder, "code.bin");
    writeFileSync(file, code);
    const machine = x86 ? ["i386:x86-64", "-M", "intel"] : ["aarch64", "-M", "no-aliases"];
    const text = output(tool(architecture, "objdump"), "-D", "-z", "-w", "-b", "binary", "-m", ...machine, file);
    return text.split("\n").flatMap((line) => {
      const instruction = /^\s*[0-9a-f]+:\t(?:[0-9a-f]{2,8} )+\s*\t(.*)$/.exec(line)?.[1];
      const comment = x86 ? / +# .*$/ : /\s+\/\/.*$/;
      return instruction === undefined ? [] : [instruction.replace(comment, "").replace(/\s+/g, " ").trim()];
    });
  });
}
