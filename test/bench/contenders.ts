/** What is compared as whole processes: how each one is asked for `/bin/true` in namespaces like ours. */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tele } from "./daemon.ts";
import { run } from "./http.ts";
import { ociBundle } from "./oci.ts";

/** Where a program is started: by root, by an ordinary user, or by root where OCI runtimes find what they want. */
export type Place = "root" | "user" | "prepared";

export interface Contender {
  name: string;
  args: (round: number) => readonly string[];
  /** One in so many rounds only: for what takes a tenth of a second and more. */
  every?: number;
  place?: Place;
  /** Why it may be missing. */
  missing?: string;
}

/** The names that goals and the report refer to. */
export const NAMES = {
  floor: "C floor",
  bwrap: "bwrap",
  tele: "`tele run`",
  userBwrap: "bwrap, as an ordinary user",
  userTele: "`tele run`, as an ordinary user",
  nsjail: "nsjail",
  crun: "crun",
  runc: "runc",
  empty: "an empty program compiled by the same Bun",
} as const;

const namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork", "--mount-proc"];
const bindings = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run"];
const bwrap = ["bwrap", ...bindings, "--unshare-all", "--die-with-parent", "--new-session", "/bin/true"];
// Its defaults are all of its namespaces, the root read-only, no capabilities and a /proc; without a limit for the time.
const nsjail = ["nsjail", "-Mo", "-Q", "-t", "0", "--chroot", "/", "-T", "/tmp", "-T", "/run", "--", "/bin/true"];

/** Everything that is compared; a folder that every user may enter, and in it a place for a root. */
export async function contendersIn(folder: string, root: string, floor: string): Promise<Contender[]> {
  const bundle = ociBundle(folder, root);
  const oci = (name: string) => (round: number) => [name, "run", "--bundle", bundle, `tele-bench-${round}`];
  const podman = join(folder, "podman");
  const store = ["--root", podman, "--runroot", `${podman}-run`, "--cgroup-manager=cgroupfs", "--events-backend=none"];
  const limits = ["--ulimit=nofile=1024:4096", "--ulimit=nproc=1000:1000"];
  // Without the last two it copies the host's own /tmp and /run into the container's.
  const mounts = ["--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp:notmpcopyup", "--tmpfs=/run:notmpcopyup"];
  const contained = ["run", "--rm", "--network=none", ...mounts, ...limits, "--rootfs", root, "/bin/true"];
  // Where the ordinary user may read it, whoever the repository belongs to.
  const shared = join(folder, "tele");
  copyFileSync(tele, shared);
  const empty = await emptyProgram(folder);
  return [
    { name: NAMES.floor, args: () => [floor, "once"] },
    { name: "unshare", args: () => ["unshare", ...namespaces, "/bin/true"] },
    { name: NAMES.bwrap, args: () => bwrap },
    { name: NAMES.tele, args: () => [shared, "run", "--", "/bin/true"] },
    { name: NAMES.userBwrap, args: () => bwrap, place: "user" },
    { name: NAMES.userTele, args: () => [shared, "run", "--", "/bin/true"], place: "user" },
    { name: NAMES.nsjail, args: () => nsjail, missing: "Debian 12 has no package" },
    { name: NAMES.crun, args: oci("crun"), place: "prepared" },
    { name: NAMES.runc, args: oci("runc"), every: 2, place: "prepared" },
    { name: "podman", args: () => ["podman", ...store, ...contained], every: 6, place: "prepared" },
    { name: "systemd-run", args: () => ["systemd-run", "--quiet", "--wait", "--collect", "/bin/true"], every: 2 },
    { name: NAMES.empty, args: () => [empty] },
    { name: "/bin/true alone", args: () => ["/bin/true"] },
  ];
}

/** What every program that is compiled with this runtime takes at least. */
async function emptyProgram(folder: string): Promise<string> {
  const empty = join(folder, "empty");
  writeFileSync(`${empty}.ts`, "");
  const flags = ["--compile", "--minify", "--bytecode", "--format=esm", "--no-compile-autoload-bunfig"];
  await run(process.execPath, ["build", ...flags, "--no-compile-autoload-dotenv", `${empty}.ts`, "--outfile", empty]);
  return empty;
}
