/** Server-sent events as the WHATWG specification frames them, as far as our API uses it. */

/** One event. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
  readonly id?: string;
}

/** Most bytes that one event may have: an end for a server that sends no line breaks. */
const MAX_EVENT = 16 * 2 ** 20;

/** Splits chunks into lines; the last one needs its line break to count. Throws RangeError when a line is endless. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > MAX_EVENT) throw new RangeError("the server sends a line without an end");
    yield* parts;
  }
}

/** The events in a stream; comments and unknown fields are passed over. */
export async function* eventsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  let data: string[] = [];
  let event = "";
  let id: string | undefined;
  for await (const raw of linesOf(chunks)) {
    const line = raw.replace(/\r$/, "");
    if (line === "") {
      if (data.length > 0)
        yield { event: event || "message", data: data.join("\n"), ...(id === undefined ? {} : { id }) };
      [data, event] = [[], ""];
      continue;
    }
    const at = line.indexOf(":");
    const field = at === -1 ? line : line.slice(0, at);
    const value = at === -1 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field === "id") id = value;
  }
}
