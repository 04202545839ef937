import Table from "cli-table3";

const NO_BORDERS = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"]
    .concat(["left", "left-mid", "mid", "mid-mid", "right", "right-mid"])
    .map((name) => [name, ""]),
);

/** A table like that of `docker ps`: columns two spaces apart, no lines. Ends with a newline. */
export function renderTable(rows: readonly (readonly string[])[], indent = ""): string {
  const table = new Table({
    chars: { ...NO_BORDERS, middle: "  " },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  const lines = table.toString().split("\n");
  return lines.map((line) => `${indent}${line.trimEnd()}\n`).join("");
}
