import { homedir } from "node:os";
import { configDir } from "#certs/context.ts";
import { pathsOf } from "#certs/files.ts";
import { TeleError } from "#errors";
import { type IdRange, parseRange } from "#host/id-ranges.ts";
import { parseCeiling } from "#spec/ceiling.ts";
import { command } from "../command.ts";
import { note, print } from "../output.ts";
import { unitText } from "../unit.ts";
import { usageError } from "../usage-error.ts";

const DEFAULT_PORT = 6443;

export default command({
  name: "serve",
  description: "Serve the API on this host",
  about:
    "Runs in the foreground until TERM or INT. Jobs outlive it: the next daemon takes them over, with every byte that they wrote meanwhile. Needs root, and the files of `tele cert init`.",
  args: {
    listen: {
      type: "string",
      valueHint: "[ADDRESS:]PORT",
      description: `Where to listen (default: port ${DEFAULT_PORT} on every address)`,
    },
    "state-dir": {
      type: "string",
      valueHint: "DIR",
      description: "Records and output (default /var/lib/tele)",
      completes: "directory",
    },
    "config-dir": {
      type: "string",
      valueHint: "DIR",
      description: "Certificates (default /etc/tele)",
      completes: "directory",
    },
    "cgroup-parent": {
      type: "string",
      valueHint: "PATH",
      description: "Parent of our cgroups (default: our own where it is delegated, else the root)",
    },
    "cgroup-name": {
      type: "string",
      valueHint: "NAME",
      description: "Name of our cgroup (default tele, marked where --state-dir is another)",
    },
    "limit-ceiling": {
      type: "string",
      valueHint: "LIMIT=AMOUNT,…",
      description: "The most that a job may ask for, such as cpus=2,memory=4Gi,wbps=100Mi (default: anything)",
    },
    "userns-range": {
      type: "string",
      valueHint: "START:COUNT",
      description:
        "Host ids for the jobs, 65536 for each until it is deleted; no two daemons may share any (default: root's of /etc/subuid and /etc/subgid, else those from 1000000 to 1073741823 that nobody was given there)",
    },
    "print-unit": { type: "boolean", description: "Print a systemd unit for this binary, and do nothing" },
  },
  examples: [
    "tele cert init && tele serve",
    "tele serve --listen 127.0.0.1:7000",
    "tele serve --print-unit > /etc/systemd/system/tele.service",
  ],
  run: async ({ flags }) => {
    if (flags["print-unit"]) {
      print(unitText(process.execPath));
      return 0;
    }
    const uid = process.getuid?.() ?? 0;
    if (uid !== 0)
      throw new TeleError("FAILED_PRECONDITION", {
        detail: "tele serve needs root: it makes namespaces and cgroups for its jobs",
        hint: "run it with sudo, or as a systemd service (tele serve --print-unit)",
      });
    const { host, port } = listenAddress(flags.listen);
    const ceiling = parseCeiling(flags["limit-ceiling"] ?? "cpus=4096");
    if (typeof ceiling === "string")
      throw new TeleError("INVALID_ARGUMENT", {
        detail: `--limit-ceiling ${ceiling}`,
        hint: "write it as cpus=2,memory=4Gi",
      });
    const usernsRange = idRange(flags["userns-range"]);
    const directory = flags["config-dir"] ?? configDir(process.env, uid, homedir());
    const { server, ca, revoked } = pathsOf(directory);
    const [{ openDaemon }, { stateDirectoryPath }] = await Promise.all([
      import("#api/daemon.ts"),
      import("#runtime/state-path.ts"),
    ]);
    const stopped = Promise.withResolvers<number>();
    const state = flags["state-dir"] ?? stateDirectoryPath(process.env, uid);
    const daemon = await openDaemon({
      stateDirectory: state,
      hide: [directory],
      ceiling,
      files: { server, ca, revoked },
      port,
      ...(usernsRange && { usernsRange }),
      ...(host !== undefined && { host }),
      ...(flags["cgroup-parent"] !== undefined && { cgroupParent: flags["cgroup-parent"] }),
      ...(flags["cgroup-name"] !== undefined && { cgroupName: flags["cgroup-name"] }),
      notice: (notice) => {
        if (notice.kind === "certificate-renewed")
          note(
            `tele: the server certificate was renewed, it is valid until ${new Date(notice.notAfter).toISOString()}\n`,
          );
        else if (notice.kind === "revocations-read") note("tele: the list of revoked certificates was read again\n");
        else
          note(
            `tele: ${notice.error instanceof TeleError ? notice.error.message : String((notice.error as Error | undefined)?.stack ?? notice.error)}\n`,
          );
      },
      fatal: (error) => {
        note(`tele: ${error.message}; jobs go on, start the daemon again\n`);
        process.exit(1);
      },
    });
    note(
      `tele: serving https://${shown(daemon.address)}:${daemon.port}, state in ${state}, cgroups ${daemon.cgroups.layout}\n`,
    );
    for (const signal of ["SIGTERM", "SIGINT"] as const)
      process.once(signal, () => void daemon.close().then(() => stopped.resolve(0), stopped.reject));
    return stopped.promise;
  },
});

/** `7000`, `:7000`, `127.0.0.1:7000`, `[::1]:7000`. */
function listenAddress(text: string | undefined): { host?: string; port: number } {
  if (text === undefined) return { port: DEFAULT_PORT };
  const match = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535)
    throw new TeleError("INVALID_ARGUMENT", {
      detail: `--listen ${text}: not an address and a port`,
      hint: "write it as 127.0.0.1:6443, [::1]:6443 or :6443",
    });
  const host = match[1] ?? match[2];
  return host ? { host, port } : { port };
}

function idRange(text: string | undefined): IdRange | undefined {
  const range = text === undefined ? undefined : parseRange(text);
  if (typeof range !== "string") return range;
  throw usageError(
    `--userns-range ${text} ${range}`,
    "write it as START:COUNT, 65536 ids for each job, such as 1000000:655360000",
  );
}

function shown(address: string): string {
  if (address === "::" || address === "0.0.0.0") return "localhost";
  return address.includes(":") ? `[${address}]` : address;
}
