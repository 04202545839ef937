/** The page of `tele status`: everything about one job. */
import type { EnforcedBy, Job, LimitName, Usage } from "#spec/job.ts";
import { effectiveLimits } from "#spec/limits.ts";
import { escapeControls } from "./error.ts";
import { commandLine, endText, paintState, stateText } from "./job.ts";
import type { Paint } from "./color.ts";
import { age, humanMicros, humanSize } from "./quantity.ts";

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
