/** The page of `tele status`: everything about one job. */
import { type EnforcedBy, HARDENING_NAMES, type Job, type LimitName, type Usage } from "#spec/job.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { escapeControls } from "./error.ts";
import { commandLine, deniedText, endText, idsText, paintState, stateText } from "./job.ts";
import type { Paint } from "./color.ts";
import { age, humanMicros, humanSize } from "./quantity.ts";

const WIDTH = 80;

type Row = readonly [string, string];

/** The page, with its ages counted to `now` (milliseconds). */
export function renderStatus(job: Job, now: number, paint: Paint): string {
  const head = `${paint("bold", job.name)}\n`;
  const main = rows("", [
    ["Command", commandLine(job)],
    ["State", paintState(paint, job, stateText(job))],
    ...endRows(job),
    ["Owner", job.owner],
    ...Object.entries(job.labels).map(([key, value]): Row => ["Label", escapeControls(`${key}=${value}`)]),
    ["Created", moment(job.createTime, now)],
    ...(job.endTime === undefined ? [] : [["Ended", moment(job.endTime, now)] as const]),
    ...(job.pid === undefined ? [] : [["Pid", String(job.pid)] as const]),
    ["User", job.spec.user],
    ...(job.userns === undefined ? [] : [["Ids", idsText(job.userns)] as const]),
    ["Workdir", escapeControls(job.spec.workdir)],
    ["Hostname", job.spec.hostname],
    ...Object.entries(job.spec.env).map(([key, value]): Row => ["Env", escapeControls(`${key}=${value}`)]),
  ]);
  return [
    head,
    main,
    `\n${paint("bold", "Usage")}\n`,
    rows("", usageRows(job.usage)),
    `\n${limitTable(job, paint)}`,
    sandboxBlock(job, paint),
  ].join("");
}

function rows(indent: string, list: readonly Row[]): string {
  const width = Math.max(...list.map(([name]) => name.length)) + 2;
  return list.map(([name, value]) => `${indent}  ${name.padEnd(width)}${value}\n`).join("");
}

function moment(time: string, now: number): string {
  return `${age(time, now)} ago (${time.replace(/\.\d+Z$/, "Z")})`;
}

function endRows({ end }: Job): Row[] {
  if (!end) return [];
  const list: Row[] = [["End", endText(end)]];
  if (end.message !== undefined) list.push(["Why", escapeControls(end.message)]);
  if (end.deniedCalls) list.push(["Denied", escapeControls(deniedText(end.deniedCalls))]);
  return list;
}

function usageRows(usage: Usage): Row[] {
  const list: Row[] = [["Time", humanMicros(usage.wallUs)]];
  if (usage.cpuUs !== undefined) {
    const parts = [humanMicros(usage.cpuUs)];
    if (usage.userUs !== undefined && usage.systemUs !== undefined) {
      parts[0] += ` (user ${humanMicros(usage.userUs)}, system ${humanMicros(usage.systemUs)})`;
    }
    if (usage.throttledUs) parts.push(`throttled ${humanMicros(usage.throttledUs)}`);
    list.push(["CPU", parts.join(", ")]);
  }
  const memory: string[] = [];
  if (usage.memoryBytes !== undefined) memory.push(`${humanSize(usage.memoryBytes)} now`);
  if (usage.memoryPeakBytes !== undefined) memory.push(`${humanSize(usage.memoryPeakBytes)} at most`);
  if (usage.oomKills) memory.push(`${usage.oomKills} killed for want of it`);
  if (memory.length > 0) list.push(["Memory", memory.join(", ")]);
  if (usage.pids !== undefined) list.push(["Processes", String(usage.pids)]);
  if (usage.ioReadBytes !== undefined || usage.ioWriteBytes !== undefined) {
    list.push(["Disk", `${humanSize(usage.ioReadBytes ?? 0)} read, ${humanSize(usage.ioWriteBytes ?? 0)} written`]);
  }
  list.push(["Output", humanSize(usage.outputBytes)]);
  return list;
}

function limitTable(job: Job, paint: Paint): string {
  const list = limitRows(job).map(([label, name, value]) => [label, value, heldBy(job.enforced[name])] as const);
  const nameWidth = Math.max(...list.map(([label]) => label.length));
  const valueWidth = Math.max(...list.map(([, value]) => value.length));
  const head = paint("bold", `${"Limit".padEnd(nameWidth)}    ${"Value".padEnd(valueWidth)}  Held by`);
  const lines = list.map(([label, value, by]) => {
    const line = `  ${label.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${by}`;
    return by.startsWith("nothing") ? paint("yellow", line) : line;
  });
  return `${head}\n${lines.join("\n")}\n`;
}

function heldBy(enforced: EnforcedBy | undefined): string {
  if (enforced === undefined) return "";
  const by = enforced.by === "none" ? "nothing" : enforced.by;
  return enforced.why === undefined ? by : `${by}: ${escapeControls(enforced.why)}`;
}

/** One line for each hardening; what the kernel holds in the one usual way needs no words. Old jobs have none of it. */
function sandboxBlock({ enforced, spec }: Job, paint: Paint): string {
  const names = HARDENING_NAMES.filter((name) => enforced[name] !== undefined);
  if (names.length === 0) return "";
  const width = Math.max(...names.map((name) => kebab(name).length)) + 2;
  const lines = names.map((name) => {
    const text = hardeningText(enforced[name]);
    const line = wrapped(`  ${kebab(name).padEnd(width)}`, text);
    return text.startsWith("nothing") && !text.endsWith(NOT_ASKED) ? paint("yellow", line) : line;
  });
  const profile = spec.security?.profile ?? "default";
  return `\n${paint("bold", "Sandbox")} (profile ${profile})\n${lines.join("\n")}\n`;
}

/** Why a hardening that a job has to ask for is not there. */
const NOT_ASKED = "not asked for";

function hardeningText(held: EnforcedBy | undefined): string {
  if (held === undefined) return "";
  if (held.by === "none") return heldBy(held);
  const words = [held.how, held.why].filter((part) => part !== undefined);
  return words.length === 0 ? held.by : escapeControls(words.join("; "));
}

/** Breaks a long text at spaces, its further lines below its first. */
function wrapped(head: string, text: string): string {
  const lines: string[] = [];
  let line = head;
  for (const word of text.split(" ")) {
    const begins = line.trim() === "" || line === head;
    if (!begins && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = " ".repeat(head.length) + word;
    } else line += begins ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Each limit that this job has, asked for or by default: the name of its flag, of the limit, and its value. */
function limitRows({ spec }: Job): readonly (readonly [string, LimitName, string])[] {
  const { cpus, memory, memoryHigh, swap, pids, nofile, output, io } = effectiveLimits(spec.limits);
  return [
    ["cpus", "cpus", String(cpus)],
    ["memory", "memory", humanSize(memory)],
    ["memory-high", "memoryHigh", humanSize(memoryHigh)],
    ["swap", "swap", humanSize(swap)],
    ["pids", "pids", String(pids)],
    ["io, read", "io", `${humanSize(io.rbps)}/s, ${io.riops}/s`],
    ["io, write", "io", `${humanSize(io.wbps)}/s, ${io.wiops}/s`],
    ["nofile", "nofile", String(nofile)],
    ["output", "output", humanSize(output)],
    ...(spec.timeout === undefined ? [] : [["timeout", "timeout", humanMicros(spec.timeout * 1000)] as const]),
  ];
}
