/** Where in a request a fault is, in the words of the command line. */
const FLAGS: Readonly<Record<string, string>> = {
  "/workdir": "--workdir",
  "/user": "--user",
  "/hostname": "--hostname",
  "/env": "--env",
  "/labels": "--label",
  "/timeout": "--timeout",
  "/limits/cpus": "--cpus",
  "/limits/memory": "--memory",
  "/limits/memoryHigh": "--memory-high",
  "/limits/swap": "--swap",
  "/limits/pids": "--pids",
  "/limits/nofile": "--nofile",
  "/limits/output": "--output-limit",
  "/limits/io": "--io",
  "/require": "--require",
  "/signal": "--signal",
  "/grace": "--grace",
  "/command": "the command",
  "?jobId": "--name",
  "?filter": "--filter",
  "?since": "--since",
  "?tail": "--tail",
  "?stream": "--stream",
};

/** The flag, or the part of the command, that a JSON pointer or parameter name stands for; the pointer itself if none. */
export function flagOf(pointer: string): string {
  const direct = FLAGS[pointer];
  if (direct) return direct;
  const argument = /^\/command\/(\d+)$/.exec(pointer);
  if (argument) return argument[1] === "0" ? "the program's name" : `argument ${argument[1]} of the command`;
  const cut = pointer.lastIndexOf("/");
  const parent = cut > 0 ? FLAGS[pointer.slice(0, cut)] : undefined;
  if (parent === undefined) return pointer;
  const key = pointer
    .slice(cut + 1)
    .replaceAll("~1", "/")
    .replaceAll("~0", "~");
  return parent === "--require" ? parent : `${parent} ${key}`;
}
