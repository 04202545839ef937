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
  "/clearEnv": "--clear-env",
  "/root": "--root",
  "/root/type": "--root",
  "/mounts": "the mounts",
  "/ulimits": "--ulimit",
  "/security/profile": "--profile",
  "/security/userns": "--userns",
  "/security/capAdd": "--cap-add",
  "/security/capDrop": "--cap-drop",
  "/security/noNewPrivileges": "--new-privileges",
  "/security/seccomp": "--seccomp",
  "/security/read": "--read",
  "/security/write": "--write",
  "/security/maskPaths": "--unmask-paths",
  "/security/share": "--share-...",
  "/security/clock": "--clock-offset",
  "/security/reportDenied": "--report-denied",
  "/security/newSession": "--no-new-session",
  "/signal": "--signal",
  "/grace": "--grace",
  "/command": "the command",
  "?jobId": "--name",
  "?filter": "--filter",
  "?since": "--since",
  "?tail": "--tail",
  "?stream": "--stream",
};

/** Lists whose places a user of flags does not count. */
const LISTS = ["--require", "--cap-add", "--cap-drop", "--read", "--write", "--share-..."];

/** The flag, or the part of the command, that a JSON pointer or parameter name stands for; the pointer itself if none. */
export function flagOf(pointer: string): string {
  const direct = FLAGS[pointer];
  if (direct) return direct;
  const argument = /^\/command\/(\d+)$/.exec(pointer);
  if (argument) return argument[1] === "0" ? "the program's name" : `argument ${argument[1]} of the command`;
  const mount = /^\/mounts\/(\d+)(?:\/(\w+))?$/.exec(pointer);
  if (mount) return `mount ${Number(mount[1]) + 1}${mount[2] === undefined ? "" : `'s ${mount[2]}`}`;
  for (let cut = pointer.lastIndexOf("/"); cut > 0; cut = pointer.lastIndexOf("/", cut - 1)) {
    const parent = FLAGS[pointer.slice(0, cut)];
    if (parent === undefined) continue;
    const rest = pointer.slice(cut + 1);
    // Deeper ones are places in a file of JSON.
    if (rest.includes("/")) return `${parent} at /${rest}`;
    return LISTS.includes(parent) ? parent : `${parent} ${rest.replaceAll("~1", "/").replaceAll("~0", "~")}`;
  }
  return pointer;
}
