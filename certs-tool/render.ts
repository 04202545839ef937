import { join } from "node:path";
import type { InitResult } from "./init.ts";
import type { IssuedRecord } from "./issued.ts";
import type { IssueResult, Listed } from "./main.ts";
import type { RevokeResult } from "./revoke.ts";

function day(date: string): string {
  return date.slice(0, 10);
}

/** Rows with their columns below each other. */
function columns(rows: readonly (readonly string[])[]): string {
  const width = (at: number) => Math.max(...rows.map((row) => (row[at] ?? "").length));
  const widths = (rows[0] ?? []).map((_, at) => width(at));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** A time that is left, in its two largest units: `89d 23h`. */
export function renderLeft(seconds: number): string {
  if (seconds <= 0) return "-";
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [Math.floor(seconds) % 60, "s"],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0);
  return shown.map(([value, unit]) => `${value}${unit}`).join(" ") || "1s";
}

/** What `init` made, for people. */
export function renderInit({ dir, finished, authority, server, client, context }: InitResult): string {
  return (
    (finished ? `An earlier "tele cert init" had been cut short; it is complete now.\n` : "") +
    columns([
      ["authority", join(dir, "ca.crt"), `until ${day(authority.notAfter)}`],
      ["server", join(dir, "server.pem"), `until ${day(server.notAfter)}, for ${server.sans.join(", ")}`],
      [`user ${client.name}`, context.cert, `until ${day(client.notAfter)}, role ${client.roles.join(", ")}`],
      [`context ${context.name}`, join(dir, "config.json"), context.server],
    ]) +
    `The key of the authority, ${join(dir, "ca.key")}, lets its owner make any user: keep it here, and keep a copy safe.\n` +
    "Next: tele serve, and then tele ps, or this:\n"
  );
}

/** What `issue` or `renew` made, for people. */
export function renderIssued({ record, others }: IssueResult): string {
  const what = record.kind === "server" ? `for ${record.sans.join(", ")}` : `role ${record.roles.join(", ")}`;
  return (
    `Issued to ${record.name}: ${what}, until ${day(record.notAfter)}, serial ${record.serial}\n` +
    others
      .map(
        ({ serial, notAfter }) =>
          `Still accepted until ${day(notAfter)}: serial ${serial}; to end it: tele cert revoke ${serial}\n`,
      )
      .join("")
  );
}

/** What `revoke` did, for people. */
export function renderRevoked({ entries, before, file }: RevokeResult, target: string): string {
  const now = entries
    .map(({ name, serial, fingerprint }) => `Revoked ${name ?? "a certificate"}, ${serial ?? fingerprint}\n`)
    .join("");
  if (entries.length > 0) return `${now}Servers that read ${file} refuse it from now on.\n`;
  return `${target} was revoked before${before > 1 ? ` (${before} certificates)` : ""}\n`;
}

/** The index as a table. */
export function renderList(rows: readonly Listed[]): string {
  return columns([
    ["NAME", "ROLES", "SERIAL", "EXPIRES IN", "STATE"],
    ...rows.map((row) => [
      row.name,
      row.roles.join(",") || `(${row.kind})`,
      row.serial,
      renderLeft(row.expiresInSeconds),
      row.state,
    ]),
  ]);
}

function subject({ kind, name, roles }: IssuedRecord): string {
  return kind === "client" ? [...roles.map((role) => `O=${role}`), `CN=${name}`].join(", ") : kind;
}

/** Everything about one certificate. */
export function renderShow(row: Listed): string {
  const { revoked } = row;
  return columns(
    [
      ["name", row.name],
      ["for", subject(row)],
      ["names", row.sans.join(", ")],
      ["serial", row.serial],
      ["sha256", row.fingerprint],
      ["from", row.notBefore],
      ["until", row.notAfter],
      ["expires in", renderLeft(row.expiresInSeconds)],
      ["state", row.state],
      ["revoked", [revoked?.at, revoked?.why].filter(Boolean).join(", ")],
      ["file", row.file ?? ""],
    ].filter(([, value]) => value !== ""),
  );
}
